# Retention across a dump: rules, what they have done, holds and kept persons are
# found again, nothing runs before the restored database is whole, and nobody
# gets at more by a rule than is his, also when the worker runs it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('retention');
$node->init;
$node->append_conf('postgresql.conf', "gdpr.worker_naptime = 1\nlog_statement = none\n");
$node->start;

sub sql { my ($db, $sql) = @_; return $node->safe_psql($db, $sql); }

sub state_of
{
	my ($db, $sql) = @_;
	my ($out, $err) = ('', '');
	my $rc = $node->psql($db, $sql, stdout => \$out, stderr => \$err, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $rc == 0 ? '' : $err =~ s/.*ERROR:\s+(\w+).*/$1/sr;
}

# ---- a shop ----

sql('postgres', 'CREATE ROLE keeper; CREATE DATABASE shop');
sql('shop', q(
	SET client_min_messages = error;
	CREATE EXTENSION gdpr_ext;
	ALTER DATABASE shop SET gdpr.enabled = off;
	CREATE SCHEMA s AUTHORIZATION keeper;
	CREATE TABLE s.person (id int PRIMARY KEY, name text, email text);
	CREATE TABLE s.invoice (id int PRIMARY KEY, person int NOT NULL REFERENCES s.person, dated date NOT NULL);
	CREATE TABLE s.visit (id int PRIMARY KEY, at timestamptz NOT NULL, who text);
	CREATE TABLE s.page (id int PRIMARY KEY, visit int REFERENCES s.visit);
	INSERT INTO s.person SELECT i, 'kanarialintu-' || i, 'kanarialintu-' || i FROM generate_series(1, 5) i;
	INSERT INTO s.invoice SELECT i, i, '2015-05-05' FROM generate_series(1, 5) i;
	INSERT INTO s.invoice VALUES (11, 1, current_date);
	INSERT INTO s.visit SELECT i, '2020-01-01', 'kanarialintu-' || i FROM generate_series(1, 2000) i;
	INSERT INTO s.page VALUES (1, 7);
	ALTER TABLE s.person OWNER TO keeper;
	ALTER TABLE s.invoice OWNER TO keeper;
	ALTER TABLE s.visit OWNER TO keeper;
	ALTER TABLE s.page OWNER TO keeper;
	SELECT gdpr.declare_subject('person', 's.person');
	SELECT gdpr.declare_column('s.person', 'name', 'name', options => '{"on_forget": "keep"}');
	SELECT gdpr.declare_column('s.person', 'email', 'email');
	SELECT gdpr.declare_link('s.invoice', '{person}', 's.person', '{id}', on_forget => 'keep', options =>
		'{"ground": "17(3)(b)", "law": "x", "keep": "6 years", "keep_from": "calendar_year_end", "keep_since": "dated", "then": "anonymise"}');
	SELECT gdpr.approve_map('person');
	SELECT gdpr_forget('1', 'person');
	SELECT gdpr.hold_subject('2', 'person', 'case');
	SELECT gdpr.hold_relation('s.visit', 'case', options => '{"filter": "id > 1990"}');
	SELECT gdpr.set_retention('s.visit', '1 year', 'at', 'delete', '{"batch_size": 100, "filter": "who <> ''kanarialintu-5''"}') AS visit \gset
	SELECT gdpr.set_retention('s.person', '1 year', 'born') WHERE false;
	SELECT gdpr.approve_retention(:visit, hash) FROM gdpr.retention_plan(:visit) LIMIT 1;
));
is(sql('shop', 'SELECT then_action FROM gdpr.link'), 'anonymise', 'what follows keeping is stored');
my $known = q(
	SELECT r.rule, r.relation, r.keep, r.since, r.action, r.filter, r.batch_size, r.every, r.runs_as, r.approved_hash FROM gdpr.retention_rule r;
	SELECT id, kind, pseudonym, relation, filter, reason FROM gdpr.hold ORDER BY id;
	SELECT kind, pseudonym, due, forgotten_by FROM gdpr.kept_subject;
	SELECT kind, hash FROM gdpr.approval;
);
my $before = sql('shop', $known);
is(scalar(split /\n/, $before), 5, 'a rule, two holds, a kept person, an approval');

# ---- dump and restore ----

my $dir = PostgreSQL::Test::Utils::tempdir();
my @to = ('-h', $node->host, '-p', $node->port, '-U', 'postgres');
command_ok([ 'pg_dump', @to, '-Fd', '-f', "$dir/dump", 'shop' ], 'pg_dump');
for my $jobs (1, 2)
{
	my $db = "restored$jobs";
	sql('postgres', "CREATE DATABASE $db");
	command_ok([ 'pg_restore', @to, '-d', $db, "-j$jobs", '--exit-on-error', "$dir/dump" ], "pg_restore -j$jobs");
	is(sql($db, $known), $before, 'and all is known again');
	is(sql($db, q(SELECT gdpr.set_retention('s.page', '1 year', 'at') FROM pg_class WHERE false)), '', 'the numbers go on');
	is(sql($db, q(SELECT nextval('gdpr.retention_rule_number') > max(rule) FROM gdpr.retention_rule)), 't', 'behind the rules there are');
	is(sql($db, q(SELECT nextval('gdpr.hold_number') > max(id) FROM gdpr.hold)), 't', 'and the holds');
}

# The worker visits what CREATE EXTENSION of the restore enabled: 9 visits are held,
# one is left out by the filter, one has a page that the foreign key keeps.
# Where it came in the middle of the restore it found no foreign keys, and would come again in an hour.
sql('restored1', q(UPDATE gdpr.retention_state SET next_run = now() WHERE last_error ~ 'changed since it was approved'));
ok($node->poll_query_until('restored1', 'SELECT done > 0 AND running_since IS NULL FROM gdpr.retention_state'), 'the rule runs in the restored database');
is(sql('restored1', 'SELECT count(*) FROM s.page'), '1', 'no page lost its visit while the keys were not there');
is(sql('restored1', 'SELECT count(*) FROM s.visit WHERE id = 7 OR id > 1990 OR id = 5'), '12', 'what is held, referred to or filtered stays');
my $failure = sql('restored1', 'SELECT last_error FROM gdpr.retention_state');
like($failure, qr/violates foreign key constraint "page_visit_fkey"/, 'and the rule says what stood in its way');
is(sql('restored1', 'SELECT count(*) FROM s.visit'), '111', 'its batch alone');
is(sql('shop', 'SELECT count(*) FROM s.visit'), '2000', 'where it is switched off nothing runs');
is(state_of('restored2', q(SELECT gdpr_forget('2', 'person'))), 'PD003', 'holds hold');
is(state_of('restored2', q(SELECT gdpr_forget('3', 'person'))), '', 'others go');

# Years later: what was kept of the first person is found and follows; the mask
# of the name, kept until now, has to be there.
sql('restored2', q(
	UPDATE s.invoice SET dated = '2001-01-01' WHERE id = 11;
	SELECT gdpr.declare_column('s.person', 'name', 'name', mask => 'constant:gone', options => '{"on_forget": "keep"}');
	SELECT gdpr.approve_map('person');
	UPDATE gdpr.kept_subject SET due = current_date, next_run = NULL, failures = 0;
));
ok($node->poll_query_until('restored2', 'SELECT count(*) = 0 FROM gdpr.kept_subject'), 'a kept person of the dump is found again by the worker');
is(sql('restored2', 'SELECT name, email IS NULL FROM s.person WHERE id = 1'), 'gone|t', 'and loses what was kept');
is(sql('restored2', q(SELECT requested_by, reason FROM gdpr.erasure ORDER BY forgotten_at DESC LIMIT 1)), 'postgres|a period of keeping is over',
	'which the ledger knows');

# ---- a database whose settings are against us ----

sql('postgres', q(CREATE DATABASE odd));
sql('odd', q(
	SET client_min_messages = error;
	CREATE EXTENSION gdpr_ext;
	CREATE TABLE note (id int PRIMARY KEY, at date, body text);
	INSERT INTO note SELECT i, '2020-01-01', 'kanarialintu-' || i FROM generate_series(1, 10) i;
	SELECT gdpr.declare_column('note', 'body', 'free_text');
	SELECT gdpr.set_retention('note', '1 year', 'at') AS rule \gset
	ALTER DATABASE odd SET default_transaction_isolation = 'serializable';
	ALTER DATABASE odd SET search_path = 'nowhere';
	ALTER DATABASE odd SET datestyle = 'German';
	ALTER DATABASE odd SET intervalstyle = 'sql_standard';
	ALTER DATABASE odd SET statement_timeout = '1ms';
	SELECT gdpr.approve_retention(:rule, hash) FROM gdpr.retention_plan(:rule) LIMIT 1;
));
{
	# What the client asks for goes before what the database has.
	local $ENV{PGOPTIONS} = '-c statement_timeout=0';
	ok($node->poll_query_until('odd', 'SELECT last_success IS NOT NULL OR last_error IS NOT NULL FROM gdpr.retention_state'), 'a worker ran');
	is(sql('odd', 'SELECT done, last_error FROM gdpr.retention_state'), "10|", 'under settings of its own');
}

# ---- an owner who wants more ----

sql('postgres', q(CREATE ROLE thief LOGIN; CREATE DATABASE trap));
sql('trap', q(
	SET client_min_messages = error;
	CREATE EXTENSION gdpr_ext;
	CREATE SCHEMA t AUTHORIZATION thief;
	CREATE TABLE public.victim (id int PRIMARY KEY, at date, body text);
	INSERT INTO victim VALUES (1, '2020-01-01', 'kanarialintu');
	SELECT gdpr.grant_duty('thief', 'operator');
	SET ROLE thief;
	CREATE TABLE t.bait (id int PRIMARY KEY, at date, body text);
	INSERT INTO t.bait VALUES (1, '2020-01-01', 'kanarialintu');
	CREATE TABLE t.log (what text);
	CREATE FUNCTION t.try(sql text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE sql;
		INSERT INTO t.log VALUES ('done: ' || sql);
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO t.log VALUES (SQLSTATE || ': ' || sql);
	END $$;
	CREATE TABLE t.tries (sql text);
	INSERT INTO t.tries VALUES ('ALTER ROLE thief SUPERUSER'), ('RESET ROLE'), ('SET ROLE postgres'), ('SET SESSION AUTHORIZATION postgres'),
		('SET SESSION AUTHORIZATION DEFAULT'), ('DELETE FROM public.victim'), ('UPDATE gdpr.retention_rule SET runs_as = ''postgres'''),
		('DECLARE c CURSOR WITH HOLD FOR SELECT 1'), ('CREATE TEMP TABLE x (a int)'), ('CALL gdpr.run_retention()'),
		('COPY t.log TO PROGRAM ''true'''), ('SET CONSTRAINTS ALL DEFERRED');
	CREATE FUNCTION t.spring() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO t.log VALUES ('as ' || current_user);
		PERFORM t.try(sql) FROM t.tries;
		PERFORM set_config('search_path', 't', false);
		RETURN NEW;
	END $$;
	CREATE TRIGGER spring BEFORE UPDATE ON t.bait FOR EACH ROW EXECUTE FUNCTION t.spring();
	CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON t.bait DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION t.spring();
	SELECT gdpr.declare_column('t.bait', 'body', 'free_text');
	SELECT gdpr.set_retention('t.bait', '1 year', 'at') AS rule \gset
	SELECT gdpr.approve_retention(:rule, hash) FROM gdpr.retention_plan(:rule) LIMIT 1;
));
ok($node->poll_query_until('trap', 'SELECT last_run IS NOT NULL AND running_since IS NULL FROM gdpr.retention_state'), 'the worker met the trap');
is(sql('trap', 'SELECT count(*) FROM t.log'), '0', 'its batch failed as a whole');
like(sql('trap', 'SELECT last_error FROM gdpr.retention_state'), qr/deferred trigger within security-restricted operation/,
	'because a trigger put off another');
sql('trap', q(
	DELETE FROM t.tries WHERE sql ~ 'DEFERRED';
	UPDATE gdpr.retention_state SET next_run = now()));
ok($node->poll_query_until('trap', 'SELECT done = 1 FROM gdpr.retention_state'), 'without that it runs');
is(sql('trap', q(SELECT DISTINCT what FROM t.log WHERE what ~ '^(as|done)')), 'as thief', 'as its owner, who may nothing more');
is(sql('trap', q(SELECT count(*) FROM t.log WHERE what !~ '^as')), sql('trap', 'SELECT 2 * count(*) FROM t.tries'),
	'in the statement and at its end');
is(sql('trap', q(SELECT rolsuper FROM pg_roles WHERE rolname = 'thief')), 'f', 'nobody became a superuser');
is(sql('trap', 'SELECT count(*) FROM victim'), '1', 'and no other table was touched');

unlike(slurp_file($node->logfile), qr/kanarialintu(?!-5)/, 'no value is in the log');
$node->stop;
done_testing();
