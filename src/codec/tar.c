#include "codec/tar.h"

/* Where a header keeps what we look at; POSIX table 4-14. */
#define NAME_AT       0u
#define NAME_SIZE     100u
#define MODE_AT       100u
#define MODE_SIZE     8u
#define SIZE_AT       124u
#define SIZE_SIZE     12u
#define MTIME_AT      136u
#define MTIME_SIZE    12u
#define CHECKSUM_AT   148u
#define CHECKSUM_SIZE 8u
#define TYPE_AT       156u
#define MAGIC_AT      257u
#define PREFIX_AT     345u
#define PREFIX_SIZE   155u

enum state {
    STATE_HEADER,
    STATE_DATA,
    STATE_PADDING,
};

void tar_init(struct tar *tar)
{
    *tar = (struct tar){.state = STATE_HEADER};
}

bool tar_is_complete(const struct tar *tar)
{
    return tar->state == STATE_HEADER && tar->fill == 0 && tar->zeros >= 2;
}

uint32_t tar_padding(uint64_t size)
{
    return (uint32_t)((TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE);
}

static bool is_zero(const uint8_t *at, size_t size)
{
    uint8_t any = 0;

    for (size_t i = 0; i < size; i++)
        any |= at[i];
    return any == 0;
}

/* Octal digits, with spaces before and space or NUL behind. */
static bool octal(const uint8_t *at, size_t size, uint64_t *out)
{
    size_t i = 0, digits = 0;
    uint64_t value = 0;

    while (i < size && at[i] == ' ')
        i++;
    for (; i < size && at[i] >= '0' && at[i] <= '7'; i++, digits++)
        value = value << 3 | (uint64_t)(at[i] - '0');
    for (; i < size; i++) {
        if (at[i] != ' ' && at[i] != '\0')
            return false;
    }
    *out = value;
    return digits > 0;
}

/* The sum of all bytes, with the checksum's own read as spaces. */
static uint64_t checksum(const uint8_t block[TAR_BLOCK_SIZE])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
        sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_SIZE ? (uint8_t)' ' : block[i];
    return sum;
}

static size_t text_size(const uint8_t *at, size_t size)
{
    size_t i = 0;

    while (i < size && at[i] != '\0')
        i++;
    return i;
}

static void take_name(struct tar *tar)
{
    size_t prefix = text_size(tar->block + PREFIX_AT, PREFIX_SIZE), at = 0;
    size_t name = text_size(tar->block + NAME_AT, NAME_SIZE);

    /* GNU's format, which calls itself "ustar  ", has other things where the prefix would be. */
    if (prefix > 0 && tar->block[MAGIC_AT + 5] == '\0') {
        memcpy(tar->name, tar->block + PREFIX_AT, prefix);
        tar->name[prefix] = '/';
        at = prefix + 1;
    }
    if (at + name > TAR_NAME_SIZE_MAX)
        name = TAR_NAME_SIZE_MAX - at;
    memcpy(tar->name + at, tar->block + NAME_AT, name);
    tar->name[at + name] = '\0';
}

static enum err take_header(struct tar *tar)
{
    const uint8_t *block = tar->block;
    uint64_t sum, mode;

    if (memcmp(block + MAGIC_AT, "ustar", 5) != 0 ||
        !octal(block + CHECKSUM_AT, CHECKSUM_SIZE, &sum) || sum != checksum(block))
        return ERR_CORRUPT;
    if (block[TYPE_AT] != '0' && block[TYPE_AT] != '\0')
        return ERR_CORRUPT;
    if (!octal(block + SIZE_AT, SIZE_SIZE, &tar->size) ||
        !octal(block + MODE_AT, MODE_SIZE, &mode) ||
        !octal(block + MTIME_AT, MTIME_SIZE, &tar->mtime_s))
        return ERR_CORRUPT;
    tar->mode = (uint32_t)mode;
    take_name(tar);
    tar->left = tar->size;
    tar->padding = tar_padding(tar->size);
    tar->state = STATE_DATA;
    return tar->name[0] != '\0' ? ERR_OK : ERR_CORRUPT;
}

/* Fill the block; at its end it is a header, or one of those that end the archive. */
static enum err in_header(struct tar *tar, struct span *in, enum tar_event *event)
{
    size_t take = TAR_BLOCK_SIZE - tar->fill;

    if (take > in->size)
        take = in->size;
    if (take > 0)
        memcpy(tar->block + tar->fill, in->at, take);
    tar->fill += (uint32_t)take;
    *in = (struct span){in->at + take, in->size - take};
    if (tar->fill < TAR_BLOCK_SIZE)
        return ERR_OK;
    tar->fill = 0;
    if (is_zero(tar->block, TAR_BLOCK_SIZE))
        return ++tar->zeros <= TAR_ZEROS_MAX ? ERR_OK : ERR_CORRUPT;
    if (tar->zeros > 0)
        return ERR_CORRUPT;
    TRY(take_header(tar));
    *event = TAR_ENTRY;
    return ERR_OK;
}

static void in_data(struct tar *tar, struct span *in, enum tar_event *event, struct span *data)
{
    size_t take = in->size;

    if (tar->left == 0) {
        tar->state = STATE_PADDING;
        *event = TAR_DONE;
        return;
    }
    if (take > tar->left)
        take = (size_t)tar->left;
    if (take == 0)
        return;
    *data = (struct span){in->at, take};
    *in = (struct span){in->at + take, in->size - take};
    tar->left -= take;
    *event = TAR_DATA;
}

static enum err in_padding(struct tar *tar, struct span *in)
{
    size_t take = tar->padding < in->size ? tar->padding : in->size;

    if (!is_zero(in->at, take))
        return ERR_CORRUPT;
    *in = (struct span){in->at + take, in->size - take};
    tar->padding -= (uint32_t)take;
    if (tar->padding == 0)
        tar->state = STATE_HEADER;
    return ERR_OK;
}

enum err tar_step(struct tar *tar, struct span *in, enum tar_event *event, struct span *data)
{
    *event = TAR_MORE;
    while (*event == TAR_MORE && (in->size > 0 || (tar->state == STATE_DATA && tar->left == 0))) {
        if (tar->state == STATE_HEADER)
            TRY(in_header(tar, in, event));
        else if (tar->state == STATE_DATA)
            in_data(tar, in, event, data);
        else
            TRY(in_padding(tar, in));
    }
    return ERR_OK;
}

static void put_octal(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = size - 1; i-- > 0; value >>= 3)
        at[i] = (uint8_t)('0' + (value & 7));
    at[size - 1] = '\0';
}

enum err tar_header(const struct tar_file *file, uint8_t out[TAR_BLOCK_SIZE])
{
    if (file->name.size == 0 || file->name.size > NAME_SIZE || file->size >> 33 != 0)
        return ERR_TOO_BIG;
    memset(out, 0, TAR_BLOCK_SIZE);
    memcpy(out + NAME_AT, file->name.at, file->name.size);
    put_octal(out + MODE_AT, MODE_SIZE, file->mode & 0777u);
    put_octal(out + MODE_AT + 8, 8, 0);  /* owner */
    put_octal(out + MODE_AT + 16, 8, 0); /* group */
    put_octal(out + SIZE_AT, SIZE_SIZE, file->size);
    put_octal(out + MTIME_AT, MTIME_SIZE, file->mtime_s & 0777777777777u);
    out[TYPE_AT] = '0';
    memcpy(out + MAGIC_AT,
           "ustar\0"
           "00",
           8);
    put_octal(out + CHECKSUM_AT, CHECKSUM_SIZE - 1, checksum(out));
    out[CHECKSUM_AT + CHECKSUM_SIZE - 1] = ' ';
    return ERR_OK;
}
