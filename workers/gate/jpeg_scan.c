/* Where the coded pixels of a JPEG's scan end, many bytes at a time. gate/entropy.py loads it.
 *
 * Inside a scan FF 00 is a stuffed byte, FF D0 to FF D7 are restarts, and FF FF is fill: the first FF with anything
 * else behind it is the marker that ends the scan. A smooth picture has an FF every 30 bytes, and Python's search
 * stops at each; here a block is asked as a whole whether it holds an end, and only the one that does is looked at.
 */
#include <stddef.h>
#include <stdint.h>

#define BLOCK 256

static inline int is_end(uint8_t first, uint8_t second)
{
    /* plain sums of comparisons: the compiler makes vectors of them */
    return (first == 0xFF) & (second != 0x00) & ((uint8_t)(second - 0xD0) > 7) & (second != 0xFF);
}

/* Returns the offset of the FF that ends the scan which goes on at `at`, or `size` where the data ends before. */
size_t framemill_jpeg_scan_end(const uint8_t *data, size_t at, size_t size)
{
    while (at + BLOCK < size) {
        uint8_t found = 0;
        for (size_t i = 0; i < BLOCK; i++)
            found |= (uint8_t)is_end(data[at + i], data[at + i + 1]);
        if (found)
            break;
        at += BLOCK;
    }
    for (; at + 1 < size; at++)
        if (is_end(data[at], data[at + 1]))
            return at;
    return size;
}
