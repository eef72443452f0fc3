/*
 * random.h
 *	  Random bytes from OpenSSL, buffered; the buffer is dropped after fork.
 */
#ifndef GDPR_RANDOM_H
#define GDPR_RANDOM_H

/* Small requests (nonces, ids); raises XX000 when the generator fails. */
extern void gdpr_random_bytes(uint8 *out, size_t length);

/* Key material: straight from the private generator, never buffered. */
extern void gdpr_random_key(uint8 *out, size_t length);

#endif /* GDPR_RANDOM_H */
