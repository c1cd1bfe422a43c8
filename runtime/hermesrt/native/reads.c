/* What reads.py does with samples: their digests, and how often each was seen. */
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

static uint64_t mix(uint64_t key) /* reads.mix */
{
    key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCDu;
    key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53u;
    return key ^ (key >> 33);
}

/* contents[i] = mix(contents[i] * GOLDEN + digest of row i); all contents take the digest of the
   only row where `rows` is 1 and `count` is not */
EXPORT void hermes_digest(const uint32_t *words, int64_t rows, int64_t width,
                          const uint32_t *factors, uint64_t *contents, int64_t count)
{
    uint64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        if (i < rows) {
            const uint32_t *row = words + i * width;
            uint32_t high = 0, low = 0;
            for (int64_t k = 0; k < width; k++) {
                uint32_t word = row[k] ^ (row[k] >> 16);
                high += word * factors[k];
                low += word * factors[width + k];
            }
            found = (uint64_t)high << 32 | low;
        }
        contents[i] = mix(contents[i] * 0x9E3779B97F4A7C15u + found);
    }
}

/* contents[i] becomes the key of its next read. The table has a power of two of places, most of them
   empty (0); returns how many it took more of. */
EXPORT int64_t hermes_turns(uint64_t *contents, int64_t count, uint64_t *seen, uint64_t *turns,
                            int64_t places)
{
    int64_t taken = 0;
    uint64_t mask = (uint64_t)places - 1;
    for (int64_t i = 0; i < count; i++) {
        uint64_t content = contents[i] ? contents[i] : 1, place = content & mask;
        while (seen[place] && seen[place] != content)
            place = (place + 1) & mask;
        taken += !seen[place];
        seen[place] = content;
        contents[i] = mix(contents[i] + turns[place]++ * 0x9E3779B97F4A7C15u);
    }
    return taken;
}

/* The contents of one table into a larger one that is empty. */
EXPORT void hermes_move(const uint64_t *old_seen, const uint64_t *old_turns, int64_t old_places,
                        uint64_t *seen, uint64_t *turns, int64_t places)
{
    uint64_t mask = (uint64_t)places - 1;
    for (int64_t i = 0; i < old_places; i++) {
        if (!old_seen[i])
            continue;
        uint64_t place = old_seen[i] & mask;
        while (seen[place])
            place = (place + 1) & mask;
        seen[place] = old_seen[i];
        turns[place] = old_turns[i];
    }
}
