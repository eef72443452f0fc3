#!/bin/bash
# run.sh [CUSTOMERS]: walks through the extension on the web shop.
#
# Needs a throwaway server that preloads gdpr_ext and has a root key, and an
# empty database in it, reached as a superuser by the PG* environment: "make
# demo" gives it both.  Makes roles whose names begin with shop_.  Every fact
# that is shown is checked; the first that is not so ends it with status 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
size=${1:-10000}
paivi=1533						# bought something: her invoices must be kept
hugo=396						# never did
export PAGER=cat PGCLIENTENCODING=UTF8 PGOPTIONS='-c client_min_messages=notice'
began=$SECONDS steps=0 facts=0

case $size in
	''|*[!0-9]*) echo "usage: $0 [CUSTOMERS]" >&2; exit 2 ;;
esac
if [ "$size" -lt 2000 ]; then
	echo "$0: at least 2000 customers" >&2
	exit 2
fi

# step SENTENCE: a numbered heading.
step()
{
	steps=$((steps + 1))
	printf '\n%d. %s\n\n' "$steps" "$1"
}

# Without the empty results of functions that return nothing.
without_void()
{
	awk '
		function flush() { if (header != "") print header; header = ""; if (rule != "") print rule; rule = "" }
		rule != "" && /^ *$/ { next }
		rule != "" && /^\([0-9]+ rows?\)$/ { header = rule = ""; getline; next }
		header != "" && rule == "" && /^-+$/ { rule = $0; next }
		{ flush() }
		/^ [a-z_]+ $/ { header = $0; next }
		{ print; fflush() }
		END { flush() }'
}

# run SQL: shows it and its output; an error ends the demo.
run()
{
	psql -X -q -a -v ON_ERROR_STOP=1 <<<"$1" 2>&1 | without_void ||
		{ echo "   NOT SO: the statement above succeeds"; exit 1; }
}

# refused SQLSTATE SQL: shows it and its error, which must have that code.
refused()
{
	local output state
	output=$(psql -X -q -a <<<"$2"$'\n''\o /dev/null'$'\n''\echo :LAST_ERROR_SQLSTATE' 2>&1)
	state=${output##*$'\n'}
	printf '%s\n' "${output%%\\o /dev/null*}"
	fact "refused with SQLSTATE $1" test "$state" = "$1"
}

# fact SENTENCE COMMAND...: checks one.
fact()
{
	local sentence=$1
	shift
	if "$@"; then
		facts=$((facts + 1))
		echo "   checked: $sentence"
	else
		echo "   NOT SO: $sentence"
		exit 1
	fi
}

# holds SENTENCE SQL: the query must give true.
holds() { fact "$1" test "$(psql -X -qAt -v ON_ERROR_STOP=1 -c "$2")" = t; }

value() { psql -X -qAt -v ON_ERROR_STOP=1 -c "$1"; }

step "A web shop with $size customers in five countries; nobody in it exists."
"$here/load.sh" "$size"
run 'CREATE ROLE shop_web LOGIN;
CREATE ROLE shop_stats LOGIN;
GRANT USAGE ON SCHEMA shop TO shop_web, shop_stats;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO shop_web;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO shop_stats;
SELECT id, first_name, last_name, email, phone, national_id FROM shop.customer WHERE id IN (396, 1533);'
holds 'as many customers as were asked for' \
	"SELECT count(*) = $size FROM shop.customer"

step 'The extension, and a context: the key domain of contact data, which the web shop may read.'
run "CREATE EXTENSION gdpr_ext;
SELECT gdpr.create_context('contact', readers => '{shop_web}');
SELECT gdpr.grant_context('contact', 'shop_web', 'write');"

step 'What stands in the way of encrypting the e-mail address?  A dry run changes nothing.'
run "SELECT * FROM gdpr.encrypt_column('shop.customer', 'email', 'contact', options => '{\"dry_run\": true}');"
holds 'the view on the column is listed' \
	"SELECT bool_or(r::text LIKE '%mailing_list%') FROM gdpr.encrypt_column('shop.customer', 'email', 'contact', options => '{\"dry_run\": true}') r"

step 'The view goes, four columns are encrypted, the view comes back; the national id without a tag, because nobody looks one up.'
run "DROP VIEW shop.mailing_list;
SELECT action FROM gdpr.encrypt_column('shop.customer', 'email', 'contact') WHERE item = 'column';
SELECT action FROM gdpr.encrypt_column('shop.customer', 'phone', 'contact') WHERE item = 'column';
SELECT action FROM gdpr.encrypt_column('shop.customer', 'national_id', 'contact',
  options => '{\"type\": \"encsecret\"}') WHERE item = 'column';
SELECT action FROM gdpr.encrypt_column('shop.newsletter_consent', 'email', 'contact') WHERE item = 'column';
CREATE VIEW shop.mailing_list AS
  SELECT c.first_name, c.last_name, n.email
  FROM shop.newsletter_consent n
  JOIN shop.customer c ON c.email = n.email
  WHERE n.withdrawn_at IS NULL;
SELECT * FROM gdpr.check_column('shop.customer', 'email') WHERE count > 0;"
holds 'every e-mail address decrypts' \
	"SELECT count = $size FROM gdpr.check_column('shop.customer', 'email') WHERE item = 'decrypt'"
holds 'the view finds as many readers of the newsletter as there are consents in force' \
	"SELECT (SELECT count(*) FROM shop.mailing_list) = (SELECT count(*) FROM shop.newsletter_consent WHERE withdrawn_at IS NULL)"

step 'The web shop sees plaintext; the statistics role sees ciphertext, and may not decrypt.'
run "SET ROLE shop_web;
SELECT id, email, phone, national_id FROM shop.customer WHERE id = $paivi;"
run "SET ROLE shop_stats;
SELECT id, country, email FROM shop.customer WHERE id = $paivi;"
refused 42501 "SET ROLE shop_stats;
SELECT email::text FROM shop.customer WHERE id = $paivi;"
refused 42501 "SET ROLE shop_stats;
SELECT id FROM shop.customer WHERE email = 'paivi.laine1533@example.net';"

step 'Looking up by equality uses the index, and the address stays unique.'
run "SET ROLE shop_web;
EXPLAIN (COSTS OFF) SELECT id FROM shop.customer WHERE email = 'paivi.laine1533@example.net';
SELECT id, first_name FROM shop.customer WHERE email = 'paivi.laine1533@example.net';"
fact 'the plan is an index scan' grep -q 'Index Scan using customer_email_key' <<<"$(value \
	"SET ROLE shop_web; EXPLAIN SELECT id FROM shop.customer WHERE email = 'paivi.laine1533@example.net'")"
refused 23505 "SET ROLE shop_web;
UPDATE shop.customer SET email = 'paivi.laine1533@example.net' WHERE id = $hugo;"

step 'A dump holds ciphertext, whoever makes it.'
dump() { pg_dump --table=shop.customer --table=shop.newsletter_consent; }
echo "\$ pg_dump --table=shop.customer --table=shop.newsletter_consent >dump.sql"
echo "\$ grep -m 1 -A 1 '^COPY shop.newsletter_consent' dump.sql"
dump | grep -m 1 -A 1 '^COPY shop.newsletter_consent' | cut -c 1-120 || true
fact 'not one e-mail address in the dump' test "$(dump | grep -c '@example')" = 0

step 'Who is a person here?  The customer; the foreign keys say what else is hers, and where they fall short.'
run "SELECT gdpr.declare_subject('customer', 'shop.customer');
SELECT path, belongs, on_forget, on_export FROM gdpr.data_map('customer') WHERE on_forget <> 'none';
SELECT path, warning FROM gdpr.data_map('customer') WHERE warning IS NOT NULL;"
refused PD007 "SELECT gdpr.approve_map('customer');"

step 'A person decides the open links, and declares the two references that no foreign key states.'
run "-- Whom she recommended, and orders of others that went to her address: only the reference goes.
SELECT gdpr.declare_link('shop.customer', '{referred_by}', 'shop.customer', '{id}',
  belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.declare_link('shop.orders', '{ship_address_id}', 'shop.address', '{id}',
  belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
-- Tickets, and the answers below them.
SELECT gdpr.declare_link('shop.ticket', '{customer_id}', 'shop.customer', '{id}');
SELECT gdpr.declare_link('shop.ticket', '{parent_id}', 'shop.ticket', '{id}');
-- By e-mail address, and on a partitioned table of which one partition lacks the foreign key.
SELECT gdpr.declare_link('shop.newsletter_consent', '{email}', 'shop.customer', '{email}');
SELECT gdpr.declare_link('shop.visit', '{customer_id}', 'shop.customer', '{id}');"

step 'Invoices are kept unaltered as long as the law says, and with them the name and the address.'
run "SELECT gdpr.declare_link('shop.invoice', '{customer_id}', 'shop.customer', '{id}', on_forget => 'keep',
  options => '{\"ground\": \"17(3)(b)\", \"law\": \"Kirjanpitolaki 2:10\", \"keep\": \"6 years\",
               \"keep_from\": \"calendar_year_end\", \"keep_since\": \"invoice_date\"}');
SELECT gdpr.declare_link('shop.invoice_line', '{invoice_id}', 'shop.invoice', '{id}', on_forget => 'keep',
  options => '{\"ground\": \"17(3)(b)\", \"law\": \"Kirjanpitolaki 2:10\", \"keep\": \"6 years\",
               \"keep_from\": \"calendar_year_end\"}');
-- What a kept invoice needs of its customer ...
SELECT gdpr.declare_column('shop.customer', c, 'name', options => '{\"on_forget\": \"keep\"}')
  FROM unnest('{first_name,last_name}'::name[]) c;
SELECT gdpr.declare_column('shop.address', c, 'address', options => '{\"on_forget\": \"keep\"}')
  FROM unnest('{street,postal_code,city}'::name[]) c;
-- ... and what it does not.
SELECT gdpr.declare_column('shop.customer', 'email', 'email', mask => 'pseudonym');
SELECT gdpr.declare_column('shop.customer', 'phone', 'phone', mask => 'null');
SELECT gdpr.declare_column('shop.customer', 'national_id', 'national_id', mask => 'null');
SELECT gdpr.declare_column('shop.customer', 'birth_date', 'birth_date', mask => 'null');
SELECT gdpr.declare_column('shop.customer', 'password_hash', 'credential', mask => 'constant:*');
SELECT gdpr.declare_column('shop.orders', 'delivery_note', 'free_text', mask => 'null');
SELECT gdpr.approve_map('customer') IS NOT NULL AS approved;"
holds 'the map is approved, and no link is left at review' \
	"SELECT count(*) = 0 FROM gdpr.data_map('customer') WHERE on_forget = 'review'"
holds 'the partition without the foreign key is covered' \
	"SELECT count(*) = 0 FROM gdpr.data_map('customer') WHERE warning LIKE '%visit_2025%'"

step 'Article 15: everything of one person in one document, decrypted, by a role that may read.'
run "CREATE ROLE shop_officer LOGIN;
SELECT gdpr.grant_duty('shop_officer', 'officer');
SELECT gdpr.grant_context('contact', 'shop_officer', 'read');
SELECT gdpr.grant_context('contact', 'shop_officer', 'write');
GRANT USAGE ON SCHEMA shop TO shop_officer;
GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO shop_officer;"
run "SET ROLE shop_officer;
SELECT key AS relation, json_array_length(value) AS rows, left(value::text, 90) AS beginning
FROM json_each(gdpr_export('$paivi', 'customer') -> 'data');"
officer() { value "SET ROLE shop_officer; $1"; }
officer_holds() { fact "$1" test "$(officer "$2")" = t; }
officer_holds 'her e-mail address is in it, and the newsletter that names her by it' \
	"SELECT e -> 'shop.customer' -> 0 ->> 'email' = 'paivi.laine1533@example.net'
		AND e -> 'shop.newsletter_consent' -> 0 ->> 'email' = 'paivi.laine1533@example.net'
	 FROM (SELECT gdpr_export('$paivi', 'customer') -> 'data' AS e) x"
officer_holds 'the visits of all three partitions are in it, and the answers to her tickets' \
	"SELECT json_array_length(e -> 'shop.visit') = (SELECT count(*) FROM shop.visit WHERE customer_id = $paivi)
		AND json_array_length(e -> 'shop.ticket') = 3
	 FROM (SELECT gdpr_export('$paivi', 'customer') -> 'data' AS e) x"

step 'Sales sees customers and how to reach them; the warehouse sees quantities; neither sees an invoice.'
run "CREATE ROLE shop_sales LOGIN;
CREATE ROLE shop_warehouse LOGIN;
GRANT USAGE ON SCHEMA shop TO shop_sales, shop_warehouse;
SELECT gdpr.grant_context('contact', 'shop_sales', 'read');
SELECT role, category, after FROM gdpr.allow('shop_sales', 'shop.customer', '{contact}', options => '{\"others\": \"keep\"}')
WHERE role = 'shop_sales';
SELECT role, category, after FROM gdpr.allow('shop_warehouse', 'shop.order_line', options => '{\"others\": \"keep\"}')
WHERE role = 'shop_warehouse';"
run "SET ROLE shop_sales;
SELECT id, first_name, email, phone FROM shop.customer WHERE id = $paivi;"
refused 42501 "SET ROLE shop_sales;
SELECT national_id FROM shop.customer WHERE id = $paivi;"
run "SET ROLE shop_warehouse;
SELECT product_id, quantity FROM shop.order_line ORDER BY order_id, line_no LIMIT 2;"
for role in shop_sales shop_warehouse; do
	refused 42501 "SET ROLE $role;
SELECT total FROM shop.invoice;"
done
officer_holds 'the officer goes on as before: the export is complete' \
	"SELECT (gdpr_export('$paivi', 'customer') -> 'data' -> 'shop.customer' -> 0 ->> 'last_name') IS NOT NULL"

step 'Who changed what: every write to the persons'"'"' tables is recorded, values sealed.'
run "SELECT gdpr.protect_subject('customer');
CREATE ROLE shop_auditor LOGIN;
SELECT gdpr.grant_duty('shop_auditor', 'auditor');"
run "SET ROLE shop_web;
BEGIN;
SELECT gdpr.begin_work(actor => 'case 4711');
UPDATE shop.customer SET first_name = 'Päivi Anna' WHERE id = $paivi;
UPDATE shop.customer SET first_name = 'Päivi' WHERE id = $paivi;
COMMIT;"
trail="SELECT operation, columns, changes, role, actor FROM gdpr.audit_trail('$paivi', 'customer') WHERE origin = 'application'"
run "SET ROLE shop_auditor;
$trail;"
auditor_holds() { fact "$1" test "$(value "SET ROLE shop_auditor; $2")" = t; }
auditor_holds 'two changes of her name by case 4711, with old and new values' \
	"SELECT count(*) = 2 AND bool_and(changes::text LIKE '%Päivi Anna%' AND actor = 'case 4711') FROM ($trail) t"
refused 42501 "SET ROLE shop_web;
SELECT * FROM gdpr.audit;"

step 'Article 17: first, what forgetting her would do.  It changes nothing.'
run "SET ROLE shop_officer;
SELECT relation, action, rows, reason FROM gdpr.forget_plan('$paivi', 'customer');"
officer_holds 'nothing blocks, and every link is served by an index' \
	"SELECT bool_and(blocker IS NULL AND (index IS NOT NULL OR reason LIKE 'the subject''s own row%')) FROM gdpr.forget_plan('$paivi', 'customer')"
invoices=$(value "SELECT md5(string_agg(i::text, '' ORDER BY id)) FROM shop.invoice i")
others="SELECT md5(string_agg(md5((to_jsonb(c) - 'referred_by')::text), '' ORDER BY id)) FROM shop.customer c WHERE id NOT IN ($paivi, $hugo)"
customers=$(officer "$others")

step 'Forget her: one transaction, and a certificate.'
run "SET ROLE shop_officer;
SELECT gdpr_forget('$paivi', 'customer', reason => 'request of 15 January 2026') AS certificate \\gset
SELECT c ->> 'kind' AS kind, c ->> 'pseudonym' AS pseudonym, c ->> 'level' AS level FROM CAST(:'certificate' AS json) c;
SELECT * FROM json_to_recordset(CAST(:'certificate' AS json) -> 'relations')
  AS r (relation text, deleted int, anonymised int, unlinked int, kept int, ground text, until date);"

step 'What is left: her two invoices, unaltered, and the name and address that an invoice must show.'
run "SET ROLE shop_officer;
SELECT first_name, last_name, email, phone, national_id, birth_date FROM shop.customer WHERE id = $paivi;
SELECT street, postal_code, city FROM shop.address WHERE customer_id = $paivi;
SELECT order_no, invoice_date, total FROM shop.invoice WHERE customer_id = $paivi ORDER BY id;"
fact 'all invoices are as they were' \
	test "$invoices" = "$(value "SELECT md5(string_agg(i::text, '' ORDER BY id)) FROM shop.invoice i")"
holds 'her orders, tickets, visits, second address, club and newsletter are gone' \
	"SELECT NOT EXISTS (SELECT FROM shop.orders WHERE customer_id = $paivi)
		AND NOT EXISTS (SELECT FROM shop.ticket WHERE id BETWEEN 3 * $paivi - 2 AND 3 * $paivi)
		AND NOT EXISTS (SELECT FROM shop.visit WHERE customer_id = $paivi)
		AND (SELECT count(*) = 1 FROM shop.address WHERE customer_id = $paivi)
		AND NOT EXISTS (SELECT FROM shop.club_member WHERE customer_id = $paivi)
		AND NOT EXISTS (SELECT FROM shop.newsletter_consent WHERE id = $paivi)"
officer_holds 'of the customer the name is left, and nothing to reach her by' \
	"SELECT first_name = 'Päivi' AND email::text <> 'paivi.laine1533@example.net'
		AND phone IS NULL AND national_id IS NULL AND birth_date IS NULL AND password_hash = '*'
	 FROM shop.customer WHERE id = $paivi"
officer_holds 'forgetting her again changes nothing' \
	"SELECT NOT (gdpr_forget('$paivi', 'customer') ->> 'changed')::boolean"

auditor_holds 'her records in the log are there, and without values' \
	"SELECT count(*) = 2 AND bool_and(changes IS NULL AND actor = 'case 4711') FROM ($trail) t"

step 'Hugo never bought anything: nothing of him is left.  Only an officer is told that somebody was here.'
run "SET ROLE shop_officer;
SELECT r ->> 'relation' AS relation, r ->> 'deleted' AS deleted, r ->> 'unlinked' AS unlinked
FROM json_array_elements(gdpr_forget('$hugo', 'customer') -> 'relations') r;"
refused PD001 "SET ROLE shop_officer;
SELECT gdpr_export('$hugo', 'customer');"
refused PD001 "SET ROLE shop_officer;
SELECT gdpr_export('123456789', 'customer');"
holds 'his customer row is gone' "SELECT NOT EXISTS (SELECT FROM shop.customer WHERE id = $hugo)"
fact 'all other customers are as they were' test "$customers" = "$(officer "$others")"

step 'The ledger: what was erased, when and by whom; a pseudonym in place of the person.'
run "SET ROLE shop_officer;
SELECT kind, pseudonym, level, requested_by, reason FROM gdpr.erasure ORDER BY forgotten_at;"
holds 'the ledger has both erasures, and nobody by name' \
	"SELECT count(*) = 2 AND bool_and(e::text !~* 'paivi|hugo|example') FROM gdpr.erasure e"
refused 42501 'DELETE FROM gdpr.erasure_ledger;'

step 'No longer than needed: notes on old orders go by themselves, once somebody has said yes to what will be done.'
noted="SELECT count(*) FROM shop.orders WHERE delivery_note IS NOT NULL AND placed_at < now() - interval '1 year 1 day'"
holds 'old orders have notes' "SELECT ($noted) > 0"
run "SELECT gdpr.set_retention('shop.orders', '1 year', 'placed_at', action => 'anonymise') AS rule \\gset
SELECT relation, action, rows > 0 AS some FROM gdpr.retention_plan(:rule);
SELECT hash FROM gdpr.retention_plan(:rule) LIMIT 1 \\gset
SELECT gdpr.approve_retention(:rule, :'hash');"
for _ in $(seq 60); do
	[ "$(value "$noted")" = 0 ] && break
	sleep 1
done
holds 'the worker took the notes of old orders, and no order' \
	"SELECT ($noted) = 0 AND (SELECT count(*) FROM shop.orders) > 0"
run "SELECT relation, action, due, last_error FROM gdpr.retention_status WHERE relation = 'shop.orders'::regclass;"

cat <<SUMMARY

Of $size customers, two were forgotten; $facts facts were checked in $((SECONDS - began)) seconds.
 - E-mail, phone and national id lie encrypted: in the tables, in a dump, for every role without the right to read.
 - The web shop's statements stayed as they were: equality by index, joins, unique.  LIKE and ORDER BY need a cast.
 - One map, inferred and approved, drove export and erasure: by foreign key, by e-mail address, across partitions.
 - What the law keeps is unaltered, with its date; what it does not need is gone.
 - Sales and warehouse see what their work needs; who changed what is on record; old notes went without a call.
 - "make psql" opens the shop; README.md says how to do this with your tables.
SUMMARY
