/*
 * sqltext.c
 *	  What is left of statements without their constants; prints TAP.
 *
 * Built and run by test/t/011_sqltext.pl.
 */
#include "postgres.h"

#include "base/sqltext.h"

/* The C library's own: no library of the server is linked. */
#undef printf
#undef snprintf
#undef fprintf

typedef struct Answer
{
	const char *text;
	const char *bare;
} Answer;

static const Answer answers[] = {
	{"", ""},
	{"SELECT 'x'", "SELECT ?"},
	{"SELECT ''", "SELECT ?"},
	{"SELECT 'it''s', ''''", "SELECT ?, ?"},
	{"SELECT E'a\\'b', e'\\\\', 'c'", "SELECT ?, ?, ?"},
	{"SELECT E'a\\\\\\'b', 'c'", "SELECT ?, ?"},
	{"SELECT E'a''b\\'' , 'c'", "SELECT ? , ?"},
	/* by standard_conforming_strings the string ends here or goes on */
	{"SELECT 'a\\', 'b'", "SELECT ?"},
	{"SELECT 'a\\\\', 'b'", "SELECT ?, ?"},
	{"SELECT 'a\\''b', 'c'", "SELECT ?"},
	{"SELECT 'C:\\x', 'b'", "SELECT ?, ?"},
	{"SELECT B'01', x'ff', N'n', U&'\\00e4', u&'x' UESCAPE '!'", "SELECT ?, ?, ?, ?, ? UESCAPE ?"},
	{"SELECT 'a'\n'b' -- c'\n'd'", "SELECT ?\n? --\n?"},
	{"SELECT E'a'\n'b\\' secret'", "SELECT ?\n?"},
	{"SELECT 'O'Brien, more'", "SELECT ?, more?"},
	{"SELECT 'open", "SELECT ?"},
	{"SELECT $$a'b$$, $t$ $$ $t$ , $1", "SELECT ?, ? , $1"},
	{"SELECT $t$ open $$", "SELECT ?"},
	{"SELECT $1::text || $12, $ 'a'", "SELECT $1::text || $12, $ ?"},
	{"SELECT a$1, b$$c$$", "SELECT a$1, b$$c$$"},
	{"SELECT 1$$x$$, 1a$$x$$", "SELECT ??, ??"},
	{"SELECT 1, 1.5, .5, 1., 1e10, 1.5E-3, 0x1F, 1_000", "SELECT ?, ?, ?, ?, ?, ?, ?, ?"},
	{"SELECT -1+2, t1.c2, a-1, 1..10, x.5", "SELECT -?+?, t1.c2, a-?, ?, x?"},
	{"SELECT \"a\", \"A_b$1\", \"t\".\"c\"", "SELECT \"a\", \"A_b$1\", \"t\".\"c\""},
	{"SELECT \"a b\", \"a@b\", \"a\"\"b\", \"\", \"123\", U&\"x\"", "SELECT ?, ?, ?, ?, ?, \"x\""},
	{"SELECT \"it's\", 'x'", "SELECT ?, ?"},
	{"SELECT \"open", "SELECT ?"},
	{"SELECT 1 -- it's me\r\n, 'x'", "SELECT ? --\r\n, ?"},
	{"SELECT /* it's /* nested */ me */ 'x' /**/", "SELECT /**/ ? /**/"},
	{"SELECT 1 /* open 'x'", "SELECT ? /*"},
	{"SELECT 1 /*/ open", "SELECT ? /*"},
	{"SELECT a-'x', a/'x', a*/'x'", "SELECT a-?, a/?, a*/?"},
	{"SELECT date'2020-01-01', re'x'", "SELECT date?, re?"},
	{"SELECT '\303\244', \303\244\303\244 = '\303\266', \"\303\244\"", "SELECT ?, \303\244\303\244 = ?, \"\303\244\""},
	{"\"", "?"},
	{"'", "?"},
	{"$", "$"},
	{"-", "-"},
	{"/", "/"},
	{"$$", "?"},
	{"e'", "?"},
	{"U&", "U&"},
	{"1e+", "?+"},
};

static int number = 0;
static int failures = 0;

static void
ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++number, what);
	if (!good)
		failures++;
}

/* On one line, for TAP. */
static void
compare(const char *text, bool measures, const char *bare)
{
	char out[200];
	char name[200];
	size_t length = gdpr_sqltext_redact(text, strlen(text), measures, out, NULL);

	snprintf(name, sizeof(name), "%s", text);
	for (char *c = name; *c != '\0'; c++)
	{
		if (*c == '\n' || *c == '\r' || *c == '#' || *c == '\\')
			*c = ' ';
	}
	ok(length == strlen(bare) && strcmp(out, bare) == 0, name);
	if (strcmp(out, bare) != 0)
		fprintf(stderr, "# got: %s\n", out);
}

static void
place(const char *text, size_t position, size_t expected, const char *what)
{
	char out[200];

	(void) gdpr_sqltext_redact(text, strlen(text), false, out, &position);
	ok(position == expected, what);
}

int
main(void)
{
	for (size_t i = 0; i < lengthof(answers); i++)
		compare(answers[i].text, false, answers[i].bare);
	compare("(cost=0.00..1.05 rows=1 width=4) (id = 42) 'x'", true,
			"(cost=0.00..1.05 rows=1 width=4) (id = ?) ?");
	place("SELECT 'abc', d", 14, 10, "a place behind a constant moves");
	place("SELECT abc", 9, 9, "a place inside a name stays");
	place("SELECT 'abc', d", 9, 7, "a place inside a constant becomes its beginning");
	place("SELECT 'abc'", 12, 8, "the end stays the end");
	printf("1..%d\n", number);
	return failures > 0;
}
