#include "base/time.h"

#include "base/buf.h"
#include "base/check.h"

/* Days since 1970-01-01 of a civil date and back.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil,
 * civil_from_days), written for eras of 400 years that begin on March 1st. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    int64_t era, year_of_era, day_of_year;

    year -= month <= 2;
    era = year / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void civil_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t era, day_of_era, year_of_era, day_of_year, shifted;

    days += 719468;
    era = days / 146097;
    day_of_era = days - era * 146097;
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted + (shifted < 10 ? 3 : -9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* The shape "dddd-dd-ddTdd:dd:ddZ": d stands for a digit, anything else for itself. */
static bool has_shape(struct span text)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";

    if (text.size != sizeof shape - 1)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        bool digit = text.at[i] >= '0' && text.at[i] <= '9';

        if (shape[i] == 'd' ? !digit : text.at[i] != (uint8_t)shape[i])
            return false;
    }
    return true;
}

static int64_t number_at(struct span text, size_t at, size_t digits)
{
    int64_t value = 0;

    for (size_t i = at; i < at + digits; i++)
        value = value * 10 + (text.at[i] - '0');
    return value;
}

bool utc_parse(struct span text, struct utc *out)
{
    int64_t year, month, day, hour, minute, second;

    if (!has_shape(text))
        return false;
    year = number_at(text, 0, 4);
    month = number_at(text, 5, 2);
    day = number_at(text, 8, 2);
    hour = number_at(text, 11, 2);
    minute = number_at(text, 14, 2);
    second = number_at(text, 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    out->ms =
        (((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
    return true;
}

static void put_digits(struct buf *buf, int64_t value, int digits)
{
    int64_t scale = digits == 4 ? 1000 : 10;

    for (; scale > 0; scale /= 10)
        buf_byte(buf, (uint8_t)('0' + value / scale % 10));
}

void utc_format(struct utc utc, char to[UTC_TEXT_SIZE])
{
    struct buf buf = buf_over(to, UTC_TEXT_SIZE);
    int64_t seconds = utc.ms / 1000, year, month, day;

    CHECK(utc.ms >= 0);
    civil_from_days(seconds / 86400, &year, &month, &day);
    CHECK(year <= 9999);
    put_digits(&buf, year, 4);
    buf_byte(&buf, '-');
    put_digits(&buf, month, 2);
    buf_byte(&buf, '-');
    put_digits(&buf, day, 2);
    buf_byte(&buf, 'T');
    put_digits(&buf, seconds / 3600 % 24, 2);
    buf_byte(&buf, ':');
    put_digits(&buf, seconds / 60 % 60, 2);
    buf_byte(&buf, ':');
    put_digits(&buf, seconds % 60, 2);
    buf_byte(&buf, 'Z');
    (void)buf_finish_text(&buf);
}
