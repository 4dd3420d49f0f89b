#include "app/survey_order.h"

#include <stdlib.h>

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_stratum(const void *a, const void *b)
{
    const struct survey_device *left = a, *right = b;
    int order = compare(left->stratum, right->stratum);

    if (order == 0)
        order = compare(left->order, right->order);
    return order != 0 ? order : compare((uint64_t)left->device, (uint64_t)right->device);
}

static int by_place(const void *a, const void *b)
{
    const struct survey_device *left = a, *right = b;
    int order = compare(left->place, right->place);

    if (order == 0)
        order = compare(left->order, right->order);
    return order != 0 ? order : compare((uint64_t)left->device, (uint64_t)right->device);
}

void survey_order(struct survey_device *list, size_t count)
{
    if (count == 0)
        return;
    qsort(list, count, sizeof *list, by_stratum);
    for (size_t i = 0, first = 0; i < count; i = first) {
        while (first < count && list[first].stratum == list[i].stratum)
            first++;
        for (size_t rank = 0; rank < first - i; rank++)
            list[i + rank].place = ((uint64_t)rank << 32) / (first - i);
    }
    qsort(list, count, sizeof *list, by_place);
}
