/*
 * sqltext.c
 *	  The text of an SQL statement without its constants.
 *
 * The server's scanner raises errors, among others for the unterminated string
 * that is being reported, and must not be called while an error is reported.
 * What is told apart here are strings, quoted names, numbers, comments and the
 * rest.  Where two readings are possible, the text ends: a backslash before the
 * quote of an ordinary string is a character or an escape, by the value that
 * standard_conforming_strings had when the statement was read.
 */
#include "base/compat.h"

#include "base/sqltext.h"

typedef struct Scan
{
	const char *text;
	size_t length;
	size_t at; /* the next byte to be read */
	char *out;
	size_t used;
} Scan;

static char
peek(const Scan *scan, size_t ahead)
{
	size_t at = scan->at + ahead;

	return at < scan->length ? scan->text[at] : '\0';
}

static void
put(Scan *scan, char c)
{
	scan->out[scan->used++] = c;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
starts_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		   (c & 0x80) != 0;
}

static bool
continues_name(char c)
{
	return starts_name(c) || is_digit(c) || c == '$';
}

/*
 * A constant stands for what was read.  A name glued to it is most likely a part of
 * it: 'O'Brien'.
 */
static void
put_constant(Scan *scan)
{
	put(scan, GDPR_SQLTEXT_CONSTANT);
	while (continues_name(peek(scan, 0)))
		scan->at++;
}

/* Nothing more is certain: a constant stands for all that follows. */
static void
give_up(Scan *scan)
{
	put(scan, GDPR_SQLTEXT_CONSTANT);
	scan->at = scan->length;
}

/* How many backslashes stand right before this offset, inside the string? */
static size_t
backslashes_before(const Scan *scan, size_t at, size_t start)
{
	size_t n = 0;

	while (at > start && scan->text[at - 1] == '\\')
	{
		n++;
		at--;
	}
	return n;
}

/* From the opening quote on. */
static void
string(Scan *scan, bool escapes)
{
	size_t start = scan->at + 1;

	for (size_t at = start; at < scan->length; at++)
	{
		bool odd;

		if (scan->text[at] != '\'')
			continue;
		odd = backslashes_before(scan, at, start) % 2 == 1;
		if (odd && !escapes)
			break;
		if (odd)
			continue;
		if (at + 1 < scan->length && scan->text[at + 1] == '\'')
		{
			at++;
			/* What comes before this quote counts no more. */
			start = at + 1;
			continue;
		}
		scan->at = at + 1;
		put_constant(scan);
		return;
	}
	give_up(scan);
}

/* A name in quotes that could do without but for its case; others are values. */
static void
quoted_name(Scan *scan)
{
	size_t start = scan->at + 1;
	size_t end = start;

	if (starts_name(peek(scan, 1)))
	{
		while (end < scan->length && continues_name(scan->text[end]))
			end++;
	}
	if (end > start && end < scan->length && scan->text[end] == '"' &&
		(end + 1 == scan->length || scan->text[end + 1] != '"'))
	{
		while (scan->at <= end)
			put(scan, scan->text[scan->at++]);
		return;
	}
	for (end = start; end < scan->length; end++)
	{
		if (scan->text[end] != '"')
			continue;
		if (end + 1 < scan->length && scan->text[end + 1] == '"')
		{
			end++;
			continue;
		}
		put(scan, GDPR_SQLTEXT_CONSTANT);
		scan->at = end + 1;
		return;
	}
	give_up(scan);
}

/* The length of "$tag$" that begins here, or 0. */
static size_t
dollar_tag(const Scan *scan)
{
	size_t n = 1;

	if (starts_name(peek(scan, n)))
	{
		while (starts_name(peek(scan, n)) || is_digit(peek(scan, n)))
			n++;
	}
	return peek(scan, n) == '$' ? n + 1 : 0;
}

static void
dollar(Scan *scan)
{
	size_t tag = dollar_tag(scan);
	const char *opening = scan->text + scan->at;

	if (tag == 0)
	{
		put(scan, scan->text[scan->at++]);
		/* A parameter's number. */
		while (is_digit(peek(scan, 0)))
			put(scan, scan->text[scan->at++]);
		return;
	}
	for (size_t at = scan->at + tag; at + tag <= scan->length; at++)
	{
		if (memcmp(scan->text + at, opening, tag) == 0)
		{
			scan->at = at + tag;
			put_constant(scan);
			return;
		}
	}
	give_up(scan);
}

/* Up to the end of whatever is glued to the digits; a dollar begins a string. */
static void
number(Scan *scan, bool keep)
{
	size_t start = scan->at;

	while (starts_name(peek(scan, 0)) || is_digit(peek(scan, 0)) ||
		   peek(scan, 0) == '.' ||
		   ((peek(scan, 0) == '+' || peek(scan, 0) == '-') &&
			(scan->text[scan->at - 1] | 0x20) == 'e' &&
			is_digit(peek(scan, 1))))
		scan->at++;
	if (!keep)
	{
		put(scan, GDPR_SQLTEXT_CONSTANT);
		return;
	}
	while (start < scan->at)
		put(scan, scan->text[start++]);
}

static void
line_comment(Scan *scan)
{
	put(scan, '-');
	put(scan, '-');
	while (scan->at < scan->length && peek(scan, 0) != '\n' &&
		   peek(scan, 0) != '\r')
		scan->at++;
}

static void
block_comment(Scan *scan)
{
	int depth = 0;

	put(scan, '/');
	put(scan, '*');
	while (scan->at < scan->length)
	{
		if (peek(scan, 0) == '/' && peek(scan, 1) == '*')
		{
			depth++;
			scan->at += 2;
		}
		else if (peek(scan, 0) == '*' && peek(scan, 1) == '/')
		{
			scan->at += 2;
			if (--depth == 0)
			{
				put(scan, '*');
				put(scan, '/');
				return;
			}
		}
		else
			scan->at++;
	}
}

/* Is it the letter before a string, or "U&" before a string or a name? */
static size_t
prefix_length(const Scan *scan)
{
	char letter = peek(scan, 0) | 0x20;

	if (letter == 'u' && peek(scan, 1) == '&' &&
		(peek(scan, 2) == '\'' || peek(scan, 2) == '"'))
		return 2;
	if ((letter == 'e' || letter == 'b' || letter == 'x' || letter == 'n') &&
		peek(scan, 1) == '\'')
		return 1;
	return 0;
}

static void
word(Scan *scan)
{
	size_t prefix = prefix_length(scan);
	bool escapes = (peek(scan, 0) | 0x20) == 'e';

	scan->at += prefix;
	if (prefix > 0 && peek(scan, 0) == '"')
		quoted_name(scan);
	else if (prefix > 0)
		string(scan, escapes);
	else
	{
		while (continues_name(peek(scan, 0)))
			put(scan, scan->text[scan->at++]);
	}
}

static void
token(Scan *scan, bool measures)
{
	char c = peek(scan, 0);
	char next = peek(scan, 1);
	bool measured = measures && scan->at > 0 && scan->text[scan->at - 1] == '=';

	if (c == '\'')
		string(scan, false);
	else if (c == '"')
		quoted_name(scan);
	else if (c == '$')
		dollar(scan);
	else if (c == '-' && next == '-')
		line_comment(scan);
	else if (c == '/' && next == '*')
		block_comment(scan);
	else if (is_digit(c) || (c == '.' && is_digit(next)))
		number(scan, measured);
	else if (starts_name(c))
		word(scan);
	else
		put(scan, scan->text[scan->at++]);
}

size_t
gdpr_sqltext_redact(const char *text, size_t length, bool measures, char *out,
					size_t *position)
{
	Scan scan = {.text = text, .length = length, .out = out};
	size_t wanted = position == NULL ? 0 : *position;

	while (scan.at < scan.length)
	{
		size_t at = scan.at;
		size_t used = scan.used;

		token(&scan, measures);
		/* Inside what was replaced there is only its beginning. */
		if (position != NULL && wanted >= at && wanted < scan.at)
			*position = scan.used - used == scan.at - at ? used + (wanted - at)
														 : used;
	}
	if (position != NULL && wanted >= length)
		*position = scan.used;
	out[scan.used] = '\0';
	return scan.used;
}
