/* Bilinear demosaic of 8-bit Bayer frames to BGR, a vector of pixels at a time.
 *
 * The same bits as OpenCV's COLOR_Bayer*2BGR, which is built for SSE3 and takes three times as long. bayer.py loads it.
 *
 *   at a red or blue site       at a green site, in a line of red
 *     own     itself              green  itself
 *     green   up down left right  red    left right
 *     other   the four diagonals  blue   up down              (in a line of blue the other way round)
 *
 * Means are rounded as (a + b + 1) / 2 and (a + b + c + d + 2) / 4. The outermost lines and columns repeat the next
 * inner ones.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE FAST static inline __attribute__((always_inline))

#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 32
#define FAST __attribute__((target("avx2")))
typedef __m256i pixels;

INLINE pixels load(const uint8_t *at) { return _mm256_loadu_si256((const __m256i *)at); }
INLINE pixels mean(pixels a, pixels b) { return _mm256_avg_epu8(a, b); }
INLINE pixels ones(void) { return _mm256_set1_epi8(1); }
INLINE pixels either(pixels a, pixels b) { return _mm256_or_si256(a, b); }
INLINE pixels both(pixels a, pixels b) { return _mm256_and_si256(a, b); }
INLINE pixels differ(pixels a, pixels b) { return _mm256_xor_si256(a, b); }
INLINE pixels minus(pixels a, pixels b) { return _mm256_sub_epi8(a, b); }
INLINE pixels even_lanes(void) { return _mm256_set1_epi16(0x00FF); }
INLINE pixels odd_lanes(void) { return _mm256_set1_epi16((short)0xFF00); }
INLINE pixels choose(pixels where, pixels yes, pixels no) { return _mm256_blendv_epi8(no, yes, where); }

INLINE pixels twice(__m128i half) { return _mm256_broadcastsi128_si256(half); }

/* Each channel is put into an order in which every byte has its place in one of three registers. */
INLINE void store(uint8_t *at, pixels b, pixels g, pixels r)
{
    const pixels second = twice(_mm_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0)); /* of each three */
    const pixels third = twice(_mm_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0));
    b = _mm256_shuffle_epi8(b, twice(_mm_setr_epi8(0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5)));
    g = _mm256_shuffle_epi8(g, twice(_mm_setr_epi8(5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10)));
    r = _mm256_shuffle_epi8(r, twice(_mm_setr_epi8(10, 5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15)));
    pixels begin = choose(third, r, choose(second, g, b)); /* of pixels 0 to 15, and of 16 to 31 */
    pixels middle = choose(third, b, choose(second, r, g));
    pixels end = choose(third, g, choose(second, b, r));
    _mm256_storeu_si256((__m256i *)at, _mm256_permute2x128_si256(begin, middle, 0x20));
    _mm256_storeu_si256((__m256i *)(at + 32), _mm256_permute2x128_si256(end, begin, 0x30));
    _mm256_storeu_si256((__m256i *)(at + 64), _mm256_permute2x128_si256(middle, end, 0x31));
}

#elif defined(__aarch64__)
#include <arm_neon.h>
#define LANES 16
#define FAST
typedef uint8x16_t pixels;

INLINE pixels load(const uint8_t *at) { return vld1q_u8(at); }
INLINE pixels mean(pixels a, pixels b) { return vrhaddq_u8(a, b); }
INLINE pixels ones(void) { return vdupq_n_u8(1); }
INLINE pixels either(pixels a, pixels b) { return vorrq_u8(a, b); }
INLINE pixels both(pixels a, pixels b) { return vandq_u8(a, b); }
INLINE pixels differ(pixels a, pixels b) { return veorq_u8(a, b); }
INLINE pixels minus(pixels a, pixels b) { return vsubq_u8(a, b); }
INLINE pixels even_lanes(void) { return vreinterpretq_u8_u16(vdupq_n_u16(0x00FF)); }
INLINE pixels odd_lanes(void) { return vreinterpretq_u8_u16(vdupq_n_u16(0xFF00)); }
INLINE pixels choose(pixels where, pixels yes, pixels no) { return vbslq_u8(where, yes, no); }
INLINE void store(uint8_t *at, pixels b, pixels g, pixels r) { vst3q_u8(at, ((uint8x16x3_t){{b, g, r}})); }

#else
#error "no vectors are known for this processor"
#endif

/* A line in the middle of three: where its red or blue sites are (columns of parity `site`), and which they are. */
struct line {
    const uint8_t *up, *here, *down;
    unsigned site;
    int is_red;
};

/* (a + b + c + d + 2) / 4: the mean of two rounded means is one too much where they, and a pair of them, are odd. */
INLINE pixels mean_of_four(pixels a, pixels b, pixels c, pixels d)
{
    pixels first = mean(a, b), second = mean(c, d);
    pixels odd = both(differ(first, second), either(differ(a, b), differ(c, d)));
    return minus(mean(first, second), both(odd, ones()));
}

INLINE void many(struct line line, size_t x, pixels sites, uint8_t *bgr)
{
    const uint8_t *up = line.up + x, *here = line.here + x, *down = line.down + x;
    pixels itself = load(here), left = load(here - 1), right = load(here + 1), above = load(up), below = load(down);
    pixels cross = mean_of_four(left, right, above, below);
    pixels diagonal = mean_of_four(load(up - 1), load(up + 1), load(down - 1), load(down + 1));
    pixels own = choose(sites, itself, mean(left, right));
    pixels other = choose(sites, diagonal, mean(above, below));
    pixels green = choose(sites, cross, itself);
    store(bgr + 3 * x, line.is_red ? other : own, green, line.is_red ? own : other);
}

/* The last vector may overlap the one before: it finds the same. */
INLINE void all(struct line line, size_t width, uint8_t *bgr)
{
    size_t last = width - 1 - LANES;
    pixels sites = line.site == 1 ? even_lanes() : odd_lanes();
    for (size_t x = 1; x < last; x += LANES)
        many(line, x, sites, bgr);
    many(line, last, (last & 1) == line.site ? even_lanes() : odd_lanes(), bgr);
}

static void one(struct line line, size_t x, uint8_t *bgr)
{
    const uint8_t *up = line.up + x, *here = line.here + x, *down = line.down + x;
    unsigned across = here[-1] + here[1], along = *up + *down;
    uint8_t own, green, other;
    if ((x & 1) == line.site) {
        own = *here;
        green = (uint8_t)((across + along + 2) / 4);
        other = (uint8_t)((up[-1] + up[1] + down[-1] + down[1] + 2) / 4);
    } else {
        own = (uint8_t)((across + 1) / 2);
        green = *here;
        other = (uint8_t)((along + 1) / 2);
    }
    bgr[3 * x] = line.is_red ? other : own;
    bgr[3 * x + 1] = green;
    bgr[3 * x + 2] = line.is_red ? own : other;
}

/* All of a line but its first and last pixel. */
FAST static void inside(struct line line, size_t width, uint8_t *bgr)
{
    if (width >= LANES + 2) {
        if (line.is_red) /* known to be constant, it costs nothing for each vector */
            all((struct line){line.up, line.here, line.down, line.site, 1}, width, bgr);
        else
            all((struct line){line.up, line.here, line.down, line.site, 0}, width, bgr);
        return;
    }
    for (size_t x = 1; x + 1 < width; x++)
        one(line, x, bgr);
}

/* `bayer` has width x height bytes, at least 3 x 3; `bgr` three times as many. The red sites are those whose column
 * and line are of parity `red_x` and `red_y`. On x86-64 only where there is AVX2. */
void framemill_bayer_to_bgr(const uint8_t *bayer, size_t width, size_t height, unsigned red_x, unsigned red_y,
                            uint8_t *bgr)
{
    size_t line_bytes = 3 * width;
    for (size_t y = 1; y + 1 < height; y++) {
        const uint8_t *here = bayer + y * width;
        uint8_t *out = bgr + y * line_bytes;
        int is_red = (y & 1) == red_y;
        inside((struct line){here - width, here, here + width, is_red ? red_x : 1 - red_x, is_red}, width, out);
        memcpy(out, out + 3, 3);
        memcpy(out + line_bytes - 3, out + line_bytes - 6, 3);
    }
    memcpy(bgr, bgr + line_bytes, line_bytes);
    memcpy(bgr + (height - 1) * line_bytes, bgr + (height - 2) * line_bytes, line_bytes);
}
