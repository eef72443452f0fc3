/*
 * fold.c
 *	  Case folding of text in UTF-8.
 */
#include "base/compat.h"

#include "enctype/fold.h"

/* Code points first, first + step ... last, each folded to one at a distance. */
typedef struct GdprFoldRun
{
	uint32 first;
	uint32 last;
	uint32 step;
	int32 distance;
} GdprFoldRun;

#include "enctype/fold_table.h"

bool
gdpr_fold_changes(const uint8 *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] >= 0x80 || (text[i] >= 'A' && text[i] <= 'Z'))
			return true;
	}
	return false;
}

/* Two bytes become three at most, as U+023A does. */
size_t
gdpr_fold_room(size_t length)
{
	return length + length / 2;
}

static uint32
fold_code_point(uint32 code)
{
	int low = 0;
	int high = lengthof(fold_runs);

	/* The first run that does not end before it. */
	while (low < high)
	{
		int middle = (low + high) / 2;

		if (fold_runs[middle].last < code)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == lengthof(fold_runs) || code < fold_runs[low].first ||
		(code - fold_runs[low].first) % fold_runs[low].step != 0)
		return code;
	return code + fold_runs[low].distance;
}

/* The bytes of the code point that begins here; 1 for what is no UTF-8. */
static size_t
decode(const uint8 *text, size_t length, uint32 *code)
{
	static const uint32 least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t bytes = text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;

	*code = text[0];
	if (text[0] < 0xC2 || text[0] > 0xF4 || bytes > length)
		return 1;
	*code &= 0xFF >> (bytes + 1);
	for (size_t i = 1; i < bytes; i++)
	{
		if ((text[i] & 0xC0) != 0x80)
		{
			*code = text[0];
			return 1;
		}
		*code = (*code << 6) | (text[i] & 0x3F);
	}
	if (*code >= least[bytes])
		return bytes;
	*code = text[0];
	return 1;
}

static size_t
encode(uint32 code, uint8 *out)
{
	if (code < 0x80)
	{
		out[0] = (uint8) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (uint8) (0xC0 | (code >> 6));
		out[1] = (uint8) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (uint8) (0xE0 | (code >> 12));
		out[1] = (uint8) (0x80 | ((code >> 6) & 0x3F));
		out[2] = (uint8) (0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (uint8) (0xF0 | (code >> 18));
	out[1] = (uint8) (0x80 | ((code >> 12) & 0x3F));
	out[2] = (uint8) (0x80 | ((code >> 6) & 0x3F));
	out[3] = (uint8) (0x80 | (code & 0x3F));
	return 4;
}

size_t
gdpr_fold(const uint8 *text, size_t length, uint8 *out)
{
	uint8 *start = out;

	for (size_t i = 0; i < length;)
	{
		uint32 code;
		uint32 folded;
		size_t bytes;

		if (text[i] < 0x80)
		{
			*out++ = text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A')
													  : text[i];
			i++;
			continue;
		}
		bytes = decode(text + i, length - i, &code);
		folded = bytes > 1 ? fold_code_point(code) : code;
		if (folded != code)
			out += encode(folded, out);
		else
		{
			memcpy(out, text + i, bytes);
			out += bytes;
		}
		i += bytes;
	}
	return out - start;
}
