/*
 * server.c
 *	  A stand-in for the few parts of the server that pure files use: memory
 *	  and error reports.  An error ends the run of the harness (server.h).
 */
#include "postgres.h"

#include <signal.h>

/* Its second argument has another type in every other major. */
#define appendBinaryStringInfo declared_otherwise
#include "lib/stringinfo.h"
#undef appendBinaryStringInfo
extern void appendBinaryStringInfo(StringInfo str, const void *data,
								   int datalen);
#include "utils/memutils.h"

#include "server.h"

sigjmp_buf fuzz_error;

typedef struct Chunk
{
	struct Chunk *next;
	struct Chunk *prev;
	size_t size;
	size_t unused; /* keeps what follows aligned to 16 */
} Chunk;

static Chunk chunks = {&chunks, &chunks, 0, 0};
static int report_level;

MemoryContext CurrentMemoryContext = NULL;
MemoryContext TopMemoryContext = NULL;
MemoryContext ErrorContext = NULL;
sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;
volatile sig_atomic_t InterruptPending = false;

void
fuzz_reset(void)
{
	while (chunks.next != &chunks)
		pfree(chunks.next + 1);
}

void *
palloc(Size size)
{
	Chunk *c;

	if (size > MaxAllocSize)
		siglongjmp(fuzz_error, 1);
	c = malloc(sizeof(Chunk) + size);
	if (c == NULL)
		abort();
	c->size = size;
	c->next = chunks.next;
	c->prev = &chunks;
	chunks.next->prev = c;
	chunks.next = c;
	return c + 1;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return palloc0(size);
}

void
pfree(void *pointer)
{
	Chunk *c = (Chunk *) pointer - 1;

	c->prev->next = c->next;
	c->next->prev = c->prev;
	free(c);
}

void *
repalloc(void *pointer, Size size)
{
	Chunk *c = (Chunk *) pointer - 1;
	void *new = palloc(size);

	memcpy(new, pointer, Min(size, c->size));
	pfree(pointer);
	return new;
}

char *
pstrdup(const char *in)
{
	return strcpy(palloc(strlen(in) + 1), in);
}

char *
pnstrdup(const char *in, Size len)
{
	size_t n = strnlen(in, len);
	char *out = palloc(n + 1);

	memcpy(out, in, n);
	out[n] = '\0';
	return out;
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

void *
MemoryContextAllocZeroAligned(MemoryContext context, Size size)
{
	return palloc0(size);
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc0(size);
}

char *
MemoryContextStrdup(MemoryContext context, const char *string)
{
	return pstrdup(string);
}

void
initStringInfo(StringInfo str)
{
	str->maxlen = 1024;
	str->data = palloc(str->maxlen);
	resetStringInfo(str);
}

void
resetStringInfo(StringInfo str)
{
	str->data[0] = '\0';
	str->len = 0;
	str->cursor = 0;
}

void
enlargeStringInfo(StringInfo str, int needed)
{
	while (str->len + needed >= str->maxlen)
		str->maxlen *= 2;
	str->data = repalloc(str->data, str->maxlen);
}

void
appendBinaryStringInfo(StringInfo str, const void *data, int datalen)
{
	enlargeStringInfo(str, datalen);
	memcpy(str->data + str->len, data, datalen);
	str->len += datalen;
	str->data[str->len] = '\0';
}

void
appendStringInfoChar(StringInfo str, char ch)
{
	appendBinaryStringInfo(str, &ch, 1);
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size minContextSize, Size initBlockSize,
							  Size maxBlockSize)
{
	return NULL;
}

void
MemoryContextDelete(MemoryContext context)
{
}

void
MemoryContextReset(MemoryContext context)
{
}

void
ProcessInterrupts(void)
{
}

void
check_stack_depth(void)
{
}

bool
errstart(int elevel, const char *domain)
{
	report_level = elevel;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (report_level >= ERROR)
		siglongjmp(fuzz_error, 1);
}

void
pg_re_throw(void)
{
	siglongjmp(fuzz_error, 1);
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errmsg(const char *fmt, ...)
{
	return 0;
}

int
errmsg_internal(const char *fmt, ...)
{
	return 0;
}

int
errmsg_plural(const char *fmt_singular, const char *fmt_plural, unsigned long n,
			  ...)
{
	return 0;
}

int
errdetail(const char *fmt, ...)
{
	return 0;
}

int
errdetail_internal(const char *fmt, ...)
{
	return 0;
}

int
errhint(const char *fmt, ...)
{
	return 0;
}

int
errcontext_msg(const char *fmt, ...)
{
	return 0;
}

int
set_errcontext_domain(const char *domain)
{
	return 0;
}

void
ExceptionalCondition(const char *conditionName, const char *errorType,
					 const char *fileName, int lineNumber)
{
	abort();
}
