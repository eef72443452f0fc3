/*
 * redact_log.c
 *	  The server's log without the constants and parameters of statements.
 *
 * The log hook may keep a report from the log, but what it changes in one is
 * changed for the client too, who is to see his own error.  So a report that
 * holds more than it should is kept from the log, and another one, made from it
 * for the log alone, is raised in its place.  That goes through the hook as well,
 * where it gets what no ereport() can say: level, place and statement.
 *
 * What is reported of a statement before it has run may be of one that is about
 * to touch something encrypted; what is reported when it has run is of one that
 * did or did not (redact_scope.c).
 *
 * All this runs inside error reporting, under whatever locks: nothing is looked up,
 * and nothing may fail but the allocation of as much as the server allocates
 * there itself.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/guc.h"
#include "base/redact.h"
#include "base/sqltext.h"
#include "enctype/leak.h"
#include "enctype/redact_log.h"
#include "enctype/redact_scope.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#define CLASS_DEPENDENTS MAKE_SQLSTATE('2', 'B', '0', '0', '0')

/* Reports of the server's that hold the statement, or its plan. */
typedef enum Announced
{
	ANNOUNCED_NOTHING,
	ANNOUNCED_BEFORE, /* it has not run, or not to its end */
	ANNOUNCED_AFTER,
	ANNOUNCED_PLAN, /* auto_explain; after */
	ANNOUNCED_TREE, /* debug_print_...; before */
	ANNOUNCED_AUDIT /* pgaudit; before or after */
} Announced;

typedef struct Announcement
{
	const char *format;
	Announced announced;
} Announcement;

/* What goes to the log in place of a report. */
typedef struct Replacement
{
	ErrorData content; /* its strings are allocated for it */
	char *statement;   /* NULL: not shown */
} Replacement;

/* By their message in English; those of tcop/postgres.c, then of modules. */
static const Announcement announcements[] = {
	{"statement: %s", ANNOUNCED_BEFORE},
	{"parse %s: %s", ANNOUNCED_BEFORE},
	{"%s %s%s%s: %s", ANNOUNCED_BEFORE},
	{"duration: %s ms  parse %s: %s", ANNOUNCED_BEFORE},
	{"duration: %s ms  bind %s%s%s: %s", ANNOUNCED_BEFORE},
	{"duration: %s ms  statement: %s", ANNOUNCED_AFTER},
	{"duration: %s ms  %s %s%s%s: %s", ANNOUNCED_AFTER},
	{"duration: %.3f ms  plan:\n%s", ANNOUNCED_PLAN},
};

/* Lines of a context that may stay, and up to where. */
typedef enum Kept
{
	KEPT_WHOLE,
	KEPT_PREFIX,	  /* what follows is SQL */
	KEPT_LINE_NUMBER, /* "COPY relation, line N": what follows is the line */
	KEPT_TUPLE,		  /* whole, if it names a row by its address */
} Kept;

typedef struct ContextLine
{
	const char *prefix;
	Kept kept;
} ContextLine;

static const ContextLine context_lines[] = {
	{"PL/pgSQL function ", KEPT_WHOLE},
	{"compilation of PL/pgSQL function ", KEPT_WHOLE},
	{"SQL function ", KEPT_WHOLE},
	{"parallel worker", KEPT_WHOLE},
	{"SQL statement ", KEPT_PREFIX},
	{"SQL expression ", KEPT_PREFIX},
	{"PL/pgSQL assignment ", KEPT_PREFIX},
	{"PL/pgSQL expression ", KEPT_PREFIX},
	{"remote SQL command: ", KEPT_PREFIX},
	{"COPY ", KEPT_LINE_NUMBER},
	{"while ", KEPT_TUPLE},
};

static const Replacement *replacing = NULL;
static bool at_work = false;

static Announced
announced_by(const ErrorData *edata)
{
	if (edata->message_id == NULL || edata->elevel >= ERROR)
		return ANNOUNCED_NOTHING;
	if (edata->funcname != NULL &&
		strcmp(edata->funcname, "elog_node_display") == 0)
		return ANNOUNCED_TREE;
	if (strncmp(edata->message_id, "AUDIT: ", strlen("AUDIT: ")) == 0)
		return ANNOUNCED_AUDIT;
	for (int i = 0; i < lengthof(announcements); i++)
	{
		if (strcmp(edata->message_id, announcements[i].format) == 0)
			return announcements[i].announced;
	}
	return ANNOUNCED_NOTHING;
}

/*
 * The catalogs are looked at only where the server says what it is about to do:
 * it holds no locks there.
 */
static bool
is_concerned(const ErrorData *edata, Announced announced)
{
	if (gdpr_guc_redact_log == GDPR_REDACT_LOG_OFF || !OidIsValid(MyDatabaseId))
		return false;
	/* Processes that serve no client have no statements but their own. */
	if (debug_query_string == NULL && MyBackendType != B_BACKEND &&
		MyBackendType != B_WAL_SENDER)
		return false;
	if (gdpr_guc_redact_log == GDPR_REDACT_LOG_ALL)
		return true;
	if (!gdpr_redact_scope_database(announced == ANNOUNCED_BEFORE))
		return false;
	switch (announced)
	{
		case ANNOUNCED_AFTER:
			return !gdpr_redact_scope_ran() || gdpr_redact_scope_touched();
		case ANNOUNCED_PLAN:
			return gdpr_redact_scope_touched();
		default:
			return true;
	}
}

/* NULL when there is no memory for it. */
static char *
without_constants(const char *text, size_t length, bool measures,
				  size_t *position)
{
	char *out = MemoryContextAllocExtended(ErrorContext, length + 1,
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	if (out != NULL)
		(void) gdpr_sqltext_redact(text, length, measures, out, position);
	return out;
}

/*
 * The same of a whole text.  *place, unless it is 0, is the number of a character
 * from 1, as in "at character 15", and stays at its place.
 *
 * Where the grammar failed, what follows may be a value that was not quoted as it
 * should: the text ends there.
 */
static char *
without_constants_at(const ErrorData *edata, const char *text, int *place)
{
	bool failed = edata->elevel >= ERROR &&
				  edata->sqlerrcode == ERRCODE_SYNTAX_ERROR;
	size_t length = strlen(text);
	size_t position = 0;
	char *out;

	for (int i = 1; i < *place && position < length; i++)
		position += pg_mblen(text + position);
	position = Min(position, length);
	out = without_constants(text, length, false, &position);
	if (out == NULL)
		return NULL;
	if (failed && out[position] != '\0')
	{
		out[position] = GDPR_SQLTEXT_CONSTANT;
		out[position + 1] = '\0';
	}
	if (*place > 0)
		*place = pg_mbstrlen_with_len(out, (int) position) + 1;
	return out;
}

/* The message with the statement that it holds taken down; NULL: holds none. */
static char *
replace_statement(const char *message, const char *statement)
{
	const char *found;
	char *bare;
	char *result;

	if (message == NULL || statement == NULL || statement[0] == '\0')
		return NULL;
	found = strstr(message, statement);
	if (found == NULL)
		return NULL;
	bare = without_constants(statement, strlen(statement), false, NULL);
	if (bare == NULL)
		return NULL;
	result = psprintf("%.*s%s%s", (int) (found - message), message, bare,
					  found + strlen(statement));
	pfree(bare);
	return result;
}

/* auto_explain's message.  Other formats than text are not taken apart. */
static char *
replace_plan(const char *message)
{
	static const char label[] = "Query Text: ";
	const char *plan = strchr(message, '\n');
	QueryDesc *query = gdpr_leak_ending();
	const char *source = query == NULL ? NULL : query->sourceText;
	char *bare_source;
	char *bare_plan;
	char *result;

	if (plan == NULL)
		return NULL;
	plan++;
	if (source == NULL || strncmp(plan, label, strlen(label)) != 0 ||
		strncmp(plan + strlen(label), source, strlen(source)) != 0)
		return psprintf("%.*s%c", (int) (plan - message), message,
						GDPR_SQLTEXT_CONSTANT);
	bare_source = without_constants(source, strlen(source), false, NULL);
	plan += strlen(label) + strlen(source);
	bare_plan = without_constants(plan, strlen(plan), true, NULL);
	if (bare_source == NULL || bare_plan == NULL)
		return NULL;
	result = psprintf("%.*s%s%s%s", (int) (strchr(message, '\n') + 1 - message),
					  message, label, bare_source, bare_plan);
	pfree(bare_source);
	pfree(bare_plan);
	return result;
}

/* The length of a field of a csv line, with its quotes. */
static size_t
csv_field(const char *line)
{
	bool quoted = false;
	size_t n = 0;

	while (line[n] != '\0' && (quoted || line[n] != ','))
	{
		if (line[n] == '"')
			quoted = !quoted;
		n++;
	}
	return n;
}

/* The statement in a csv field. */
static void
append_csv_statement(StringInfo buf, const char *field, size_t length)
{
	bool quoted = length >= 2 && field[0] == '"';
	char *text = palloc(length + 1);
	size_t used = 0;
	char *bare;

	for (size_t i = quoted ? 1 : 0; i < length - (quoted ? 1 : 0); i++)
	{
		text[used++] = field[i];
		if (quoted && field[i] == '"')
			i++;
	}
	bare = without_constants(text, used, false, NULL);
	if (quoted)
		appendStringInfoChar(buf, '"');
	for (const char *c = bare; c != NULL && *c != '\0'; c++)
	{
		if (quoted && *c == '"')
			appendStringInfoChar(buf, '"');
		appendStringInfoChar(buf, *c);
	}
	if (quoted)
		appendStringInfoChar(buf, '"');
	pfree(text);
	if (bare != NULL)
		pfree(bare);
}

/* In place of a statement or parameters. */
static bool
is_said_by_pgaudit(const char *field, size_t length)
{
	static const char *const words[] = {"<none>", "<not logged>",
										"<previously logged>"};

	for (int i = 0; i < lengthof(words); i++)
	{
		if (length == strlen(words[i]) && strncmp(field, words[i], length) == 0)
			return true;
	}
	return false;
}

/* pgaudit's "AUDIT: kind,n,n,class,command,type,name,statement,parameters,rows". */
static char *
replace_audit(const char *message)
{
	const int statement = 7;
	const char *field = message;
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0;; i++)
	{
		size_t length = csv_field(field);

		if (i == statement)
			append_csv_statement(&buf, field, length);
		else if (i < statement || is_said_by_pgaudit(field, length))
			appendBinaryStringInfo(&buf, field, (int) length);
		else
			appendStringInfoChar(&buf, GDPR_SQLTEXT_CONSTANT);
		if (field[length] == '\0')
			break;
		appendStringInfoChar(&buf, ',');
		field += length + 1;
	}
	return buf.data;
}

/* What is said in place of a message that may hold anything. */
static char *
substitute(const ErrorData *edata)
{
	if (gdpr_redact_written_by_server(edata))
		return pstrdup(edata->message_id);
	return psprintf("message of SQLSTATE %s, left out of the log",
					unpack_sql_state(edata->sqlerrcode));
}

static char *
announcement(const ErrorData *edata, Announced announced)
{
	char *message = NULL;

	switch (announced)
	{
		case ANNOUNCED_PLAN:
			message = replace_plan(edata->message);
			break;
		case ANNOUNCED_TREE:
			message = pstrdup(edata->message);
			break;
		case ANNOUNCED_AUDIT:
			message = replace_audit(edata->message);
			break;
		default:
			message = replace_statement(edata->message, debug_query_string);
			break;
	}
	return message != NULL ? message : substitute(edata);
}

/* Classes whose details and hints name objects. */
static bool
names_objects(const ErrorData *edata)
{
	if (!gdpr_redact_written_by_server(edata))
		return false;
	switch (ERRCODE_TO_CATEGORY(edata->sqlerrcode))
	{
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
			return false;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case CLASS_DEPENDENTS:
			return true;
		default:
			return gdpr_redact_is_plain(edata);
	}
}

/* Damaged files are named by the server with nothing of a row. */
static bool
is_damage(const ErrorData *edata)
{
	return (edata->sqlerrcode == ERRCODE_DATA_CORRUPTED ||
			edata->sqlerrcode == ERRCODE_INDEX_CORRUPTED) &&
		   gdpr_redact_written_by_server(edata);
}

static void
redact_error(ErrorData *content)
{
	/* The queries of the others in a deadlock are of the log alone. */
	content->detail_log = NULL;
	if (!names_objects(content) && !is_damage(content))
		content->detail = content->hint = NULL;
	if (!gdpr_redact_is_plain(content) && !is_damage(content))
		content->message = substitute(content);
}

/* A title of the server's, and a table of resources used. */
static bool
is_usage(const ErrorData *edata)
{
	return edata->funcname != NULL && strcmp(edata->funcname, "ShowUsage") == 0;
}

/* Warnings, notices, and what is meant for the log. */
static void
redact_message(ErrorData *content)
{
	char *message;

	if (gdpr_redact_written_by_server(content))
	{
		message = replace_statement(content->message, debug_query_string);
		if (message != NULL)
			content->message = message;
		return;
	}
	if (is_usage(content) ||
		(gdpr_guc_redact_log == GDPR_REDACT_LOG_ENCRYPTED &&
		 !gdpr_redact_scope_touched()))
		return;
	content->message = substitute(content);
	content->detail = content->detail_log = content->hint = NULL;
}

static void
keep_line(StringInfo kept, const ContextLine *known, const char *line,
		  size_t length)
{
	const char *number;
	char *copy = pnstrdup(line, length);

	switch (known->kept)
	{
		case KEPT_WHOLE:
			appendStringInfo(kept, "%s\n", copy);
			break;
		case KEPT_PREFIX:
			appendStringInfo(kept, "%s%c\n", known->prefix,
							 GDPR_SQLTEXT_CONSTANT);
			break;
		case KEPT_LINE_NUMBER:
			number = strstr(copy, ", line ");
			if (number == NULL)
				break;
			number += strlen(", line ");
			number += strspn(number, "0123456789");
			appendStringInfo(kept, "%.*s\n", (int) (number - copy), copy);
			break;
		case KEPT_TUPLE:
			if (strstr(copy, " tuple (") != NULL)
				appendStringInfo(kept, "%s\n", copy);
			break;
	}
	pfree(copy);
}

/*
 * Where an error happened, in English: functions, their lines, statements by
 * their kind.  Other lines are parts of statements, or values.
 */
static char *
redact_context(const char *context)
{
	StringInfoData kept;
	const char *line = context;

	initStringInfo(&kept);
	while (*line != '\0')
	{
		size_t length = strcspn(line, "\n");

		for (int i = 0; i < lengthof(context_lines); i++)
		{
			if (strncmp(line, context_lines[i].prefix,
						strlen(context_lines[i].prefix)) == 0)
			{
				keep_line(&kept, &context_lines[i], line, length);
				break;
			}
		}
		line += length + (line[length] == '\n' ? 1 : 0);
	}
	if (kept.len == 0)
	{
		pfree(kept.data);
		return NULL;
	}
	kept.data[kept.len - 1] = '\0';
	return kept.data;
}

/* As the server decides; it knows that LOG ranks with errors. */
static bool
shows_statement(const ErrorData *edata)
{
	if (edata->hide_stmt || debug_query_string == NULL)
		return false;
	if (edata->elevel == LOG || edata->elevel == LOG_SERVER_ONLY)
		return log_min_error_statement <= ERROR;
	return edata->elevel >= log_min_error_statement;
}

static void
redact(const ErrorData *edata, Announced announced, Replacement *made)
{
	ErrorData *content = &made->content;

	*content = *edata;
	made->statement = NULL;
	if (announced != ANNOUNCED_NOTHING)
	{
		content->message = announcement(edata, announced);
		content->detail = content->detail_log = NULL;
	}
	else if (edata->elevel >= ERROR)
		redact_error(content);
	else
		redact_message(content);
	if (content->context != NULL)
		content->context = redact_context(content->context);
	if (content->internalquery != NULL)
		content->internalquery = without_constants_at(edata,
													  content->internalquery,
													  &content->internalpos);
	if (shows_statement(edata))
		made->statement = without_constants_at(edata, debug_query_string,
											   &content->cursorpos);
}

static bool
is_same(const ErrorData *edata, const Replacement *made)
{
	const ErrorData *content = &made->content;

	return made->statement == NULL && content->message == edata->message &&
		   content->detail == edata->detail &&
		   content->detail_log == edata->detail_log &&
		   content->hint == edata->hint && content->context == edata->context &&
		   content->internalquery == edata->internalquery;
}

/* Strings of a report are freed with it; those that were made are its own. */
static void
own(char **string, const char *original)
{
	if (*string != NULL && *string == original)
		*string = pstrdup(original);
}

static void
own_strings(ErrorData *content, const ErrorData *edata)
{
	own(&content->message, edata->message);
	own(&content->detail, edata->detail);
	own(&content->detail_log, edata->detail_log);
	own(&content->hint, edata->hint);
	own(&content->context, edata->context);
	own(&content->internalquery, edata->internalquery);
	own(&content->backtrace, edata->backtrace);
	own(&content->schema_name, edata->schema_name);
	own(&content->table_name, edata->table_name);
	own(&content->column_name, edata->column_name);
	own(&content->datatype_name, edata->datatype_name);
	own(&content->constraint_name, edata->constraint_name);
}

/* The report that was raised for the log gets what it stands for. */
static void
take_over(ErrorData *edata)
{
	MemoryContext context = edata->assoc_context;

	pfree(edata->message);
	if (edata->backtrace != NULL)
		pfree(edata->backtrace);
	*edata = replacing->content;
	edata->assoc_context = context;
	edata->output_to_server = true;
	edata->output_to_client = false;
	replacing = NULL;
}

/*
 * LOG_SERVER_ONLY is below ERROR, so it returns, whatever the level becomes in the
 * hook.
 */
static void
raise_instead(const Replacement *made)
{
	const char *statement = debug_query_string;
	ErrorContextCallback *stack = error_context_stack;
	int min_messages = log_min_messages;

	HOLD_INTERRUPTS();
	PG_TRY();
	{
		error_context_stack = NULL;
		debug_query_string = made->statement;
		log_min_messages = LOG;
		replacing = made;
		ereport(LOG_SERVER_ONLY, (errmsg_internal("%s", "")));
	}
	PG_FINALLY();
	{
		replacing = NULL;
		log_min_messages = min_messages;
		debug_query_string = statement;
		error_context_stack = stack;
	}
	PG_END_TRY();
	RESUME_INTERRUPTS();
}

static bool
replace(ErrorData *edata, Announced announced)
{
	Replacement made;
	bool same;

	redact(edata, announced, &made);
	same = is_same(edata, &made);
	if (!same)
	{
		own_strings(&made.content, edata);
		raise_instead(&made);
		edata->output_to_server = false;
	}
	if (made.statement != NULL)
		pfree(made.statement);
	return !same;
}

bool
gdpr_redact_log(ErrorData *edata)
{
	Announced announced;
	volatile bool replaced = false;

	if (replacing != NULL)
	{
		take_over(edata);
		return false;
	}
	/* An error while one is redacted. */
	if (at_work)
	{
		edata->hide_stmt = true;
		return false;
	}
	announced = announced_by(edata);
	if (!is_concerned(edata, announced))
		return false;
	at_work = true;
	PG_TRY();
	{
		replaced = replace(edata, announced);
	}
	PG_FINALLY();
	{
		at_work = false;
	}
	PG_END_TRY();
	return replaced;
}
