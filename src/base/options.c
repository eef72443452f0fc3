/*
 * options.c
 *	  The jsonb argument "options" that ends every growing verb.
 *
 * A new option is a new key, not a new signature, so that grants and views on
 * a verb outlive updates.  A key that no verb knows is refused, because an
 * option that is silently ignored is a promise not kept.
 */
#include "base/compat.h"

#include "base/options.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static void
refuse_key(const GdprOption *known, int nknown)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < nknown; i++)
		appendStringInfo(&names, "%s%s", i ? ", " : "", known[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option"),
			 nknown == 0 ? errhint("There are no options here yet.") :
			 errhint("The options here are: %s.", names.data)));
}

static const GdprOption *
find_option(const JsonbValue *key, const GdprOption *known, int nknown)
{
	for (int i = 0; i < nknown; i++)
	{
		if (strlen(known[i].name) == (size_t) key->val.string.len &&
			memcmp(known[i].name, key->val.string.val, key->val.string.len) ==
				0)
			return &known[i];
	}
	refuse_key(known, nknown);
	return NULL;
}

static const char *
wanted(const GdprOption *option)
{
	return option->text != NULL		? "a string"
		   : option->flag != NULL	? "a boolean"
		   : option->number != NULL ? "a whole number"
		   : option->filled			? "an array of one string or more"
									: "an array of strings";
}

static bool
take_number(const JsonbValue *value, int *number)
{
	Datum text;
	char *end;
	long n;

	if (value->type != jbvNumeric)
		return false;
	text = DirectFunctionCall1(numeric_out,
							   NumericGetDatum(value->val.numeric));
	errno = 0;
	n = strtol(DatumGetCString(text), &end, 10);
	if (*end != '\0' || errno != 0 || n < PG_INT32_MIN || n > PG_INT32_MAX)
		return false;
	*number = (int) n;
	return true;
}

static bool
take_list(const JsonbValue *value, List **list)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue item;

	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerIsScalar(value->val.binary.data))
		return false;
	*list = NIL;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString)
			return false;
		*list = lappend(*list,
						pnstrdup(item.val.string.val, item.val.string.len));
	}
	return true;
}

static void
take_value(const GdprOption *option, const JsonbValue *value)
{
	bool taken = false;

	if (value->type == jbvNull)
		return;
	if (option->text != NULL && value->type == jbvString)
	{
		*option->text = pnstrdup(value->val.string.val, value->val.string.len);
		taken = true;
	}
	else if (option->flag != NULL && value->type == jbvBool)
	{
		*option->flag = value->val.boolean;
		taken = true;
	}
	else if (option->number != NULL)
		taken = take_number(value, option->number);
	else if (option->list != NULL)
		taken = take_list(value, option->list) &&
				(*option->list != NIL || !option->filled);
	if (!taken)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be %s", option->name, wanted(option))));
}

void
gdpr_options_parse(Jsonb *options, const GdprOption *known, int nknown)
{
	JsonbIterator *it = JsonbIteratorInit(&options->root);
	JsonbIteratorToken token;
	JsonbValue value;
	const GdprOption *option = NULL;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a json object")));

	/* Nested values are not descended into: take_value() refuses them. */
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			option = find_option(&value, known, nknown);
		else if (token == WJB_VALUE)
			take_value(option, &value);
	}
}
