/* text.c - one character after the other; what comes in is UTF-8, as the state keeps nothing else. */
#include "notify/text.h"

#include <string.h>

#include "base/bytes.h"
#include "sql/literals.h"

#define GROWTH 10 /* "\u{10FFFF}" */

/* The character at p, and how many bytes it has. */
static uint32_t
character(const char *p, size_t *n)
{
    const uint8_t *b = (const uint8_t *)p;
    size_t more = b[0] < 0x80 ? 0 : b[0] < 0xe0 ? 1 : b[0] < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? b[0] : b[0] & (0x3fu >> more);

    *n = 1;
    for (; more > 0 && b[*n] != 0; more--)
        c = c << 6 | (b[(*n)++] & 0x3f);
    return c;
}

static bool
is_hidden(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x00, 0x08},     {0x0b, 0x1f},     {0x7f, 0x9f},      {0xad, 0xad},     {0x61c, 0x61c},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},  {0x2060, 0x206f}, {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    }
    return false;
}

static void
put_character(struct bs_buf *out, const char *p, size_t n, uint32_t c, bool slack)
{
    if (is_hidden(c))
        bs_put_fmt(out, "\\u{%04X}", (unsigned)c);
    else if (slack && (c == '&' || c == '<' || c == '>'))
        bs_put_str(out, c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;");
    else
        bs_put_bytes(out, (struct bs_bytes){(const uint8_t *)p, n});
}

static const char *
shown(struct bs_arena *arena, const char *text, size_t max, bool slack, bool *cut)
{
    const char *kept = NULL;
    struct bs_buf out;
    size_t n, before = 0;

    bs_buf_init(&out, max + GROWTH);
    while (*text != '\0') {
        uint32_t c = character(text, &n);
        before = out.n;
        put_character(&out, text, n, c, slack);
        if (out.n > max || out.failed) {
            out.n = before;
            break;
        }
        text += n;
    }
    if (cut != NULL)
        *cut = *text != '\0';
    kept = bs_arena_copy(arena, bs_buf_view(&out));
    bs_buf_fini(&out);
    return kept == NULL ? "..." : kept;
}

const char *
bs_text_plain(struct bs_arena *arena, const char *text, size_t max, bool *cut)
{
    return shown(arena, text, max, false, cut);
}

const char *
bs_text_slack(struct bs_arena *arena, const char *text, size_t max)
{
    return shown(arena, text, max, true, NULL);
}

static void
put_nothing(void *with, struct bs_bytes value, struct bs_buf *out)
{
    (void)with;
    (void)value;
    bs_put_str(out, "...");
}

const char *
bs_text_shape(struct bs_arena *arena, const char *sql)
{
    const char *kept = NULL;
    struct bs_buf out;

    bs_buf_init(&out, 8 * strlen(sql) + 64);
    bs_without_literals(bs_bytes_of(sql), put_nothing, NULL, &out);
    if (!out.failed)
        kept = bs_arena_copy(arena, bs_buf_view(&out));
    bs_buf_fini(&out);
    return kept == NULL ? "..." : kept;
}
