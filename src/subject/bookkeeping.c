/*
 * bookkeeping.c
 *	  Does a relation look like accounting records?
 *
 * The law orders vouchers kept, and the reference to the customer in them may
 * not be null: a plain proposal would delete them.  Erring on the side of
 * asking costs a person one decision.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "subject/graph_build.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * Parts of names in English, Finnish, Swedish, Norwegian, Danish, Estonian
 * and German.
 */
static const char *const name_parts[] = {
	"accounting", "arve",	   "beleg",	   "betaling",	  "betalning",
	"bilag",	  "bokforing", "bookkeep", "buchung",	  "faktur",
	"invoice",	  "journal",   "kirjanpi", "kuitti",	  "kvitt",
	"lasku",	  "ledger",	   "maksu",	   "makse",		  "payment",
	"payout",	  "quittung",  "rechnung", "receipt",	  "refund",
	"regnskab",	  "regnskap",  "tosite",   "transaction", "verifikat",
	"voucher",	  "zahlung"};

/* Integers are amounts only where their name says so: cents, or whole units. */
static const char *const amount_parts[] = {"amount", "belop", "betrag", "cent",
										   "hinta",	 "preis", "price",	"pris",
										   "sum",	 "total"};

static bool
contains_any(const char *name, const char *const *parts, int nparts)
{
	char *folded = asc_tolower(name, strlen(name));

	for (int i = 0; i < nparts; i++)
	{
		if (strstr(folded, parts[i]) != NULL)
			return true;
	}
	return false;
}

static bool
is_amount(Form_pg_attribute column)
{
	switch (getBaseType(column->atttypid))
	{
		case NUMERICOID:
		case MONEYOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return true;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return contains_any(NameStr(column->attname), amount_parts,
								lengthof(amount_parts));
		default:
			return false;
	}
}

static bool
has_amount(Oid relid)
{
	for (AttrNumber attnum = 1;; attnum++)
	{
		HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
										  Int16GetDatum(attnum));
		Form_pg_attribute column;
		bool amount;

		if (!HeapTupleIsValid(tuple))
			return false;
		column = (Form_pg_attribute) GETSTRUCT(tuple);
		amount = !column->attisdropped && is_amount(column);
		ReleaseSysCache(tuple);
		if (amount)
			return true;
	}
}

bool
gdpr_bookkeeping_suspect(Oid relid)
{
	char *name = get_rel_name(relid);

	return name != NULL &&
		   contains_any(name, name_parts, lengthof(name_parts)) &&
		   has_amount(relid);
}
