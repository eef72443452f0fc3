/*
 * crypto.c
 *	  Known answers for src/crypto's pure files; prints TAP.
 *
 * Built and run by test/t/010_known_answers.pl.  What the files need of the
 * server is stood in for below: an error report ends the program.
 */
#include "postgres.h"

#include <sys/wait.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/tag.h"

/* The C library's own: no library of the server is linked. */
#undef printf

int			MyProcPid = 0;
sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;

bool
errstart(int elevel, const char *domain)
{
	abort();
}

bool
errstart_cold(int elevel, const char *domain)
{
	abort();
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	abort();
}

int
errcode(int sqlerrcode)
{
	abort();
}

int
errmsg(const char *fmt,...)
{
	abort();
}

int
errmsg_internal(const char *fmt,...)
{
	abort();
}

void
pg_re_throw(void)
{
	abort();
}

static int	number = 0;
static int	failures = 0;

static void
ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++number, what);
	if (!good)
		failures++;
}

static size_t
unhex(const char *hex, uint8 *out)
{
	size_t		length = strlen(hex) / 2;

	for (size_t i = 0; i < length; i++)
	{
		unsigned	byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		out[i] = byte;
	}
	return length;
}

/* The AES-256 cases with 96-bit nonces of the GCM specification (NIST). */
static const struct
{
	const char *name;
	const char *key;
	const char *nonce;
	const char *aad;
	const char *plain;
	const char *cipher;
	const char *tag;
}			gcm_cases[] = {
	{
		"GCM case 13, nothing",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"000000000000000000000000", "", "", "",
		"530f8afbc74536b9a963b4f1c4cb738b"
	},
	{
		"GCM case 14, one block",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"000000000000000000000000", "",
		"00000000000000000000000000000000",
		"cea7403d4d606b6e074ec5d3baf39d18",
		"d0d1c8a799996bf0265b98b5d48ab919"
	},
	{
		"GCM case 15, four blocks",
		"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
		"cafebabefacedbaddecaf888", "",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
		"b094dac5d93471bdec1a502270e3cc6c"
	},
	{
		"GCM case 16, additional data and a broken block",
		"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
		"cafebabefacedbaddecaf888",
		"feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		"76fc6ece0f4e1768cddf8853bb2d551b"
	},
};

static void
test_gcm(void)
{
	for (int i = 0; i < lengthof(gcm_cases); i++)
	{
		uint8		key[32];
		uint8		nonce[12];
		uint8		aad[64];
		uint8		plain[64];
		uint8		expected[64 + GDPR_GCM_TAG_LEN];
		uint8		out[64 + GDPR_GCM_TAG_LEN];
		uint8		back[64];
		size_t		aad_length = unhex(gcm_cases[i].aad, aad);
		size_t		length = unhex(gcm_cases[i].plain, plain);
		GdprAead   *aead;
		bool		good = true;

		unhex(gcm_cases[i].key, key);
		unhex(gcm_cases[i].nonce, nonce);
		unhex(gcm_cases[i].cipher, expected);
		unhex(gcm_cases[i].tag, expected + length);
		aead = gdpr_aead_create(key);
		/* The second round runs on contexts that were used before. */
		for (int round = 0; round < 2; round++)
		{
			memset(out, 0, sizeof(out));
			gdpr_aead_seal(aead, nonce, aad, aad_length, plain, length, out);
			good &= memcmp(out, expected, length + GDPR_GCM_TAG_LEN) == 0;
			good &= gdpr_aead_open(aead, nonce, aad, aad_length, out, length, back) &&
				memcmp(back, plain, length) == 0;
		}
		ok(good, gcm_cases[i].name);
		gdpr_aead_free(aead);
	}
}

static void
test_tampering(void)
{
	uint8		key[32] = {7};
	uint8		nonce[12] = {1};
	uint8		aad[20] = {2};
	uint8		plain[25] = "an ordinary kind of value";
	uint8		zero[25] = {0};
	uint8		sealed[25 + GDPR_GCM_TAG_LEN];
	uint8		out[25];
	GdprAead   *aead = gdpr_aead_create(key);
	int			opened = 0;
	int			left = 0;

	gdpr_aead_seal(aead, nonce, aad, sizeof(aad), plain, sizeof(plain), sealed);
	for (int bit = 0; bit < (int) sizeof(sealed) * 8; bit++)
	{
		sealed[bit / 8] ^= 1 << bit % 8;
		memset(out, 0xAA, sizeof(out));
		opened += gdpr_aead_open(aead, nonce, aad, sizeof(aad), sealed, sizeof(plain), out);
		left += memcmp(out, zero, sizeof(out)) != 0;
		sealed[bit / 8] ^= 1 << bit % 8;
	}
	ok(opened == 0, "no value with a flipped bit opens");
	ok(left == 0, "nothing of it is left in the output");
	aad[19] ^= 1;
	ok(!gdpr_aead_open(aead, nonce, aad, sizeof(aad), sealed, sizeof(plain), out),
	   "other additional data does not open");
	aad[19] ^= 1;
	ok(gdpr_aead_open(aead, nonce, aad, sizeof(aad), sealed, sizeof(plain), out) &&
	   memcmp(out, plain, sizeof(plain)) == 0,
	   "the context still opens what is whole");
	gdpr_aead_free(aead);
	gdpr_aead_free(NULL);
}

/* RFC 4231; a key or data of one byte is written as byte and count. */
static const struct
{
	const char *name;
	const char *key;
	int			key_times;
	const char *text;			/* or, where NULL */
	const char *data;
	int			data_times;
	const char *mac;
}			hmac_cases[] = {
	{
		"RFC 4231 case 1", "0b", 20, "Hi There", NULL, 0,
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
	},
	{
		"RFC 4231 case 2", "4a656665", 1, "what do ya want for nothing?", NULL, 0,
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	},
	{
		"RFC 4231 case 3", "aa", 20, NULL, "dd", 50,
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
	},
	{
		"RFC 4231 case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819", 1,
		NULL, "cd", 50,
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
	},
	{
		"RFC 4231 case 5", "0c", 20, "Test With Truncation", NULL, 0,
		"a3b6167473100ee06e0c796c2955552b"
	},
	{
		"RFC 4231 case 6", "aa", 131,
		"Test Using Larger Than Block-Size Key - Hash Key First", NULL, 0,
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
	},
	{
		"RFC 4231 case 7", "aa", 131,
		"This is a test using a larger than block-size key and a larger than "
		"block-size data. The key needs to be hashed before being used by the "
		"HMAC algorithm.", NULL, 0,
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
	},
};

static size_t
repeat(const char *hex, int times, uint8 *out)
{
	size_t		length = 0;

	for (int i = 0; i < times; i++)
		length += unhex(hex, out + length);
	return length;
}

static void
test_hmac(void)
{
	for (int i = 0; i < lengthof(hmac_cases); i++)
	{
		uint8		key[200];
		uint8		data[200];
		uint8		expected[32];
		uint8		mac[GDPR_KEY_LEN];
		size_t		key_length = repeat(hmac_cases[i].key, hmac_cases[i].key_times, key);
		size_t		mac_length = unhex(hmac_cases[i].mac, expected);
		size_t		length;

		if (hmac_cases[i].text != NULL)
		{
			length = strlen(hmac_cases[i].text);
			memcpy(data, hmac_cases[i].text, length);
		}
		else
			length = repeat(hmac_cases[i].data, hmac_cases[i].data_times, data);
		gdpr_tag_derive(key, key_length, data, length, mac);
		ok(memcmp(mac, expected, mac_length) == 0, hmac_cases[i].name);
	}
}

/* A tag is the beginning of HMAC(key, separator || data). */
static void
test_tag(void)
{
	uint8		key[32];
	uint8		data[41];
	uint8		mac[GDPR_KEY_LEN];
	uint8		tag[GDPR_TAG_LEN];
	uint8		other[GDPR_TAG_LEN];
	GdprTagKey *tag_key;

	for (int i = 0; i < (int) sizeof(key); i++)
		key[i] = i;
	for (int i = 0; i < (int) sizeof(data); i++)
		data[i] = 255 - i;
	data[0] = 3;
	gdpr_tag_derive(key, sizeof(key), data, sizeof(data), mac);
	tag_key = gdpr_tag_create(key);
	gdpr_tag_compute(tag_key, 4, data + 1, sizeof(data) - 1, other);
	gdpr_tag_compute(tag_key, 3, data + 1, sizeof(data) - 1, tag);
	ok(memcmp(tag, mac, GDPR_TAG_LEN) == 0, "a tag is HMAC of separator and data");
	ok(memcmp(tag, other, GDPR_TAG_LEN) != 0, "another separator is another tag");
	gdpr_tag_derive(key, sizeof(key), data, 1, mac);
	gdpr_tag_compute(tag_key, 3, NULL, 0, tag);
	ok(memcmp(tag, mac, GDPR_TAG_LEN) == 0, "no data has a tag too");
	gdpr_tag_free(tag_key);
	gdpr_tag_free(NULL);
}

static void
test_random(void)
{
	uint8		first[16];
	uint8		here[16];
	uint8		there[16];
	uint8		large[10000] = {0};
	int			pipe_fd[2];
	int			zeros = 0;

	MyProcPid = getpid();
	gdpr_random_bytes(first, sizeof(first));
	if (pipe(pipe_fd) != 0)
		abort();
	if (fork() == 0)
	{
		MyProcPid = getpid();
		gdpr_random_bytes(there, sizeof(there));
		_exit(write(pipe_fd[1], there, sizeof(there)) != sizeof(there));
	}
	if (read(pipe_fd[0], there, sizeof(there)) != sizeof(there))
		abort();
	wait(NULL);
	gdpr_random_bytes(here, sizeof(here));
	ok(memcmp(here, there, sizeof(here)) != 0 && memcmp(first, here, sizeof(here)) != 0,
	   "a child does not repeat its parent's random bytes");
	gdpr_random_bytes(large, sizeof(large));
	for (int i = 0; i < (int) sizeof(large); i++)
		zeros += large[i] == 0;
	ok(zeros < 200, "a long request is filled to its end");
}

int
main(void)
{
	test_gcm();
	test_tampering();
	test_hmac();
	test_tag();
	test_random();
	printf("1..%d\n", number);
	return failures > 0;
}
