#!/bin/bash
# run.sh [CUSTOMERS]: walks through the extension on the web shop.
#
# Needs a throwaway server that preloads gdpr_ext and has a root key, and an
# empty database in it, reached as a superuser by the PG* environment: "make
# demo" gives it both.  Makes two roles, shop_web and shop_stats.  Every fact
# that is shown is checked; the first that is not so ends it with status 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
size=${1:-10000}
paivi=1533						# bought something: her invoices must be kept
hugo=396						# never did
export PAGER=cat PGCLIENTENCODING=UTF8 PGOPTIONS='-c client_min_messages=notice'
began=$SECONDS steps=0 facts=0

# step SENTENCE: a numbered heading.
step()
{
	steps=$((steps + 1))
	printf '\n%d. %s\n\n' "$steps" "$1"
}

show_statement() { sed -e '1s/^/shop=# /' -e '2,$s/^/shop-# /' <<<"$1"; }

# run SQL: shows it and its output; an error ends the demo.
run()
{
	show_statement "$1"
	psql -X -q -v ON_ERROR_STOP=1 <<<"$1" 2>&1 || { echo "FAILED: the statement above"; exit 1; }
}

# refused SQLSTATE SQL: shows it and its error, which must have that code.
refused()
{
	local output state
	show_statement "$2"
	output=$(psql -X -q <<<"$2"$'\n''\echo state :LAST_ERROR_SQLSTATE' 2>&1)
	state=${output##*state }
	printf '%s\n' "${output%state *}"
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
run 'GRANT USAGE ON SCHEMA shop TO shop_web, shop_stats;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO shop_web;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO shop_stats;
SELECT id, first_name, last_name, email, phone, national_id FROM shop.customer WHERE id IN (396, 1533);'
holds 'every table is there, and the customers' \
	"SELECT count(*) = $size FROM shop.customer"

step 'The extension, and a context: the key domain of contact data, which the web shop may read.'
run "CREATE EXTENSION gdpr_ext;
SELECT gdpr.create_context('contact', readers => '{shop_web}');"

step 'What stands in the way of encrypting the e-mail address?  A dry run changes nothing.'
run "SELECT * FROM gdpr.encrypt_column('shop.customer', 'email', 'contact', options => '{\"dry_run\": true}');"
holds 'the view on the column is listed' \
	"SELECT bool_or(r::text LIKE '%mailing_list%') FROM gdpr.encrypt_column('shop.customer', 'email', 'contact', options => '{\"dry_run\": true}') r"

step 'The view goes, four columns are encrypted, the view comes back with a cast.'
run "DROP VIEW shop.mailing_list;
SELECT * FROM gdpr.encrypt_column('shop.customer', 'email', 'contact');
SELECT * FROM gdpr.encrypt_column('shop.customer', 'phone', 'contact');
SELECT * FROM gdpr.encrypt_column('shop.customer', 'national_id', 'contact');
SELECT * FROM gdpr.encrypt_column('shop.newsletter_consent', 'email', 'contact');
CREATE VIEW shop.mailing_list AS
  SELECT c.first_name, c.last_name, n.email
  FROM shop.newsletter_consent n
  JOIN shop.customer c ON c.email = n.email
  WHERE n.withdrawn_at IS NULL;
SELECT * FROM gdpr.check_column('shop.customer', 'email');"

step 'The web shop sees plaintext; the statistics role sees ciphertext, and may not decrypt.'
run "SET ROLE shop_web;
SELECT id, email, phone, national_id FROM shop.customer WHERE id = $paivi;"
run "SET ROLE shop_stats;
SELECT id, left(email::cstring::text, 40) AS email, birth_date FROM shop.customer WHERE id = $paivi;"
refused 42501 "SET ROLE shop_stats;
SELECT email::text FROM shop.customer WHERE id = $paivi;"
refused 42501 "SET ROLE shop_stats;
SELECT id FROM shop.customer WHERE email = 'paivi.laine1533@example.net';"

step 'Looking up by equality uses the index, and the address stays unique.'
run "SET ROLE shop_web;
EXPLAIN (COSTS OFF) SELECT id FROM shop.customer WHERE email = 'paivi.laine1533@example.net';
SELECT id, first_name FROM shop.customer WHERE email = 'paivi.laine1533@example.net';"
refused 23505 "SET ROLE shop_web;
UPDATE shop.customer SET email = 'paivi.laine1533@example.net' WHERE id = $hugo;"

step 'A dump holds ciphertext, whoever makes it.'
echo "\$ pg_dump --data-only --table=shop.customer | grep -c paivi.laine1533@example.net"
pg_dump --data-only --table=shop.customer | grep -c paivi.laine1533@example.net || true
fact 'not one e-mail address in the dump of the customers' \
	test "$(pg_dump --data-only --table=shop.customer | grep -c '@example')" = 0

step 'Who is a person here?  The customer; the foreign keys say what else is hers.'
run "SELECT gdpr.declare_subject('customer', 'shop.customer');
SELECT depth, path, belongs, on_forget, on_export FROM gdpr.data_map('customer') ORDER BY depth, path;"
refused PD007 "SELECT gdpr.approve_map('customer');"

step 'A person decides the open links, and declares the two that no foreign key states.'
run "-- Who recommended whom: the other customer stays, the reference goes.
SELECT gdpr.declare_link('shop.customer', '{referred_by}', 'shop.customer', '{id}',
  belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.declare_link('shop.customer', '{default_address_id}', 'shop.address', '{id}',
  belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.declare_link('shop.orders', '{ship_address_id}', 'shop.address', '{id}',
  belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.declare_link('shop.ticket', '{customer_id}', 'shop.customer', '{id}');
SELECT gdpr.declare_link('shop.ticket', '{parent_id}', 'shop.ticket', '{id}');
-- No foreign key: by e-mail address, and a partitioned table of which one partition lacks it.
SELECT gdpr.declare_link('shop.newsletter_consent', '{email}', 'shop.customer', '{email}');
SELECT gdpr.declare_link('shop.visit', '{customer_id}', 'shop.customer', '{id}');"

step 'Invoices are kept unaltered as long as the law says, and with them the name and the address.'
run "SELECT gdpr.declare_link('shop.invoice', '{customer_id}', 'shop.customer', '{id}', on_forget => 'keep',
  options => '{\"ground\": \"17(3)(b)\", \"law\": \"Kirjanpitolaki 2:10\", \"keep\": \"6 years\",
               \"keep_from\": \"calendar_year_end\", \"keep_since\": \"invoice_date\"}');
SELECT gdpr.declare_link('shop.invoice_line', '{invoice_id}', 'shop.invoice', '{id}', on_forget => 'keep',
  options => '{\"ground\": \"17(3)(b)\", \"law\": \"Kirjanpitolaki 2:10\", \"keep\": \"6 years\",
               \"keep_from\": \"calendar_year_end\"}');"
