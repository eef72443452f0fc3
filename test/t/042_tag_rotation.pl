# A column goes to another tag key while others read and write it: a unique
# constraint holds, and a lookup finds its row, at every moment; and the old
# key is not needed afterwards.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('tags');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nfsync = on\nlog_statement = none\nlog_min_error_statement = panic\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub state_of
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	my $rc = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $rc == 0 ? '' : $err =~ s/.*(?:ERROR|FATAL):\s+(\w+).*/$1/sr;
}

sub background
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ], '>', \$out, '2>', \$err);
}

# Rows up to 1000 stay; each row says twice what its address is.
my $rows = 20000;
sql(qq(
	SET client_min_messages = warning;
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('old', ARRAY[CURRENT_USER]);
	SELECT gdpr.create_context('new', ARRAY[CURRENT_USER]);
	SELECT gdpr.grant_context(c, CURRENT_USER, 'write') FROM unnest('{old,new}'::name[]) c;
	CREATE TABLE person (id int PRIMARY KEY, email enctext('old') NOT NULL UNIQUE, same text NOT NULL, n int NOT NULL DEFAULT 0) WITH (fillfactor = 80);
	INSERT INTO person SELECT i, 'kanarialintu-' || i, 'kanarialintu-' || i FROM generate_series(1, $rows) i;
	CREATE TABLE refused (at timestamptz NOT NULL DEFAULT clock_timestamp());
	CREATE TABLE twice (at timestamptz NOT NULL DEFAULT clock_timestamp());
));

# Whoever writes tries to have an address twice; one that gets through is noted.
sql(q(
	CREATE FUNCTION try_twice(address text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO person (id, email, same) VALUES (1000000 + pg_backend_pid(), address, address);
		INSERT INTO twice DEFAULT VALUES;
		DELETE FROM person WHERE id = 1000000 + pg_backend_pid();
	EXCEPTION WHEN unique_violation THEN
		INSERT INTO refused DEFAULT VALUES;
	END $$;
));
append_to_file("$folder/write.sql", qq(
\\set id random(1001, 30000)
\\set by random(1, 1000)
\\set kept random(1, 1000)
\\set what random(1, 5)
\\if :what = 1
INSERT INTO person (id, email, same) VALUES (:id, 'kanarialintu-' || :id, 'kanarialintu-' || :id) ON CONFLICT DO NOTHING;
INSERT INTO person (id, email, same) VALUES (:kept, 'kanarialintu-' || :kept, '') ON CONFLICT (email) DO UPDATE SET n = person.n + 1;
\\elif :what = 2
UPDATE person SET email = 'kanarialintu-' || id || '-' || :by, same = 'kanarialintu-' || id || '-' || :by WHERE id = :id;
\\elif :what = 3
UPDATE person SET n = n + 1 WHERE email = 'kanarialintu-' || :kept;
\\elif :what = 4
DELETE FROM person WHERE id = :id AND :by < 300;
\\else
SELECT try_twice('kanarialintu-' || :kept);
\\endif
));

# A reader ends at the first row that it does not find; 1 / 0 is its way to say so.
append_to_file("$folder/literal.sql", qq(
\\set id random(1, 1000)
SELECT 1 / (count(*) = 1 AND min(id) = :id)::int FROM person WHERE email = 'kanarialintu-:id';
));
append_to_file("$folder/bound.sql", qq(
\\set id random(1, 1000)
SELECT 1 / (count(*) = 1 AND min(id) = :id)::int FROM person WHERE email = 'kanarialintu-' || :id::text;
));
append_to_file("$folder/given.sql", qq(
SELECT 1 / (count(*) = 1 AND min(id) = 7)::int FROM person WHERE email = :address;
));

my @benches;

sub bench
{
	my ($file, @options) = @_;
	my $out = '';
	my $run = IPC::Run::start([ 'pgbench', '-n', '-P', '1', '-c', $file eq 'write' ? '2' : '1', '-j', '1', '-T', '600', '--max-tries=10', @options, '-f', "$folder/$file.sql",
		$node->connstr('postgres') ], '>', \$out, '2>&1');
	return { run => $run, out => \$out, name => "$file @options" };
}

sub start_all
{
	@benches = (bench('write'), bench('literal', '-M', 'simple'), bench('bound', '-M', 'prepared'),
		map { bench('given', '-M', $_, '-D', 'address=kanarialintu-7') } qw(prepared extended));
	return;
}

# The errors that anybody met, and what did not do anything.
sub stop_all
{
	my @errors;

	for my $bench (@benches)
	{
		$bench->{run}->signal('INT');
		eval { $bench->{run}->finish };
		push @errors, map { "$bench->{name}: $_" } grep { /error|aborted/i } split /\n/, ${ $bench->{out} };
		push @errors, "$bench->{name} did nothing"
		  unless ${ $bench->{out} } =~ /^progress: [0-9.]+ s, (?!0\.0 )[0-9.]+ tps/m;
	}
	return join "\n", @errors;
}

my $begin = q(SELECT FROM gdpr.encrypt_column('person', 'email', 'new', '{"online": true}'));
my $call = q(CALL gdpr.convert_column('person', 'email', '{"batch_size": 200, "delay": 40}'));
my $differ = q(SELECT count(*) FROM person WHERE email::text IS DISTINCT FROM same);
my $type = q(SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'email');
my $refused = q(SELECT count(*) FROM refused);

# ---- begun, stopped, given up ----

start_all();
is(state_of($begin), '', 'a rotation begins beside readers and writers');
my $run = background($call);
$node->poll_query_until('postgres', 'SELECT rows > 1000 FROM gdpr.conversion') or die 'it does not get on';
sql(q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL gdpr.convert_column%'));
$run->finish;
is(sql(q(SELECT count(*) FROM person WHERE gdpr_convert_2::text <> same)), '0', 'what is filled is right when it is cancelled');
is(state_of(q(SELECT gdpr.cancel_conversion('person', 'email'))), '', 'it is given up');
is(sql($type), "enctext('old')", 'and the column is what it was');
is(stop_all(), '', 'nobody met an error, and every lookup found its row');
is(sql($differ), '0', 'no value differs');

# ---- killed in the middle, and gone on with ----

start_all();
is(state_of($begin), '', 'it begins again');
$run = background($call);
$node->poll_query_until('postgres', 'SELECT rows > 3000 FROM gdpr.conversion') or die 'it does not get on';
is(stop_all(), '', 'nobody met an error until here');
my $pid = sql(q(SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL gdpr.convert_column%'));
kill 9, $pid;
eval { $run->finish };
$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
is(sql(q(SELECT direction || ' ' || phase FROM gdpr.conversion)), 'move fill', 'after a crash the rotation is there');
is(sql(q(SELECT count(*) FROM person WHERE gdpr_convert_2::text <> same)), '0', 'and no value differs');

start_all();
is(state_of(q(CALL gdpr.convert_column('person', 'email'))), '55000', 'the values are there, their index is missing');
my $before = sql($refused);
is(state_of(sql(q(SELECT string_agg(s, E'\n') FROM gdpr.conversion_indexes('person', 'email') s))), '', 'the second index is built concurrently');
is(sql(q(SELECT count(*) FROM pg_index WHERE indrelid = 'person'::regclass AND indisunique AND indisvalid)), '3', 'and unique beside the first');
$node->poll_query_until('postgres', "SELECT count(*) > $before FROM refused") or die 'nobody writes';
$run = background($call);
$node->poll_query_until('postgres', q(SELECT phase = 'clear' AND rows > 1000 FROM gdpr.conversion)) or die 'the columns are not swapped';
sql(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL gdpr.convert_column%'));
eval { $run->finish };
$node->poll_query_until('postgres', q(SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory')) or die 'the call does not end';
is(sql($type), "enctext('new')", 'the columns are swapped');
my $swapped = sql($refused);
$node->poll_query_until('postgres', "SELECT count(*) > $swapped + 20 FROM refused") or die 'nobody writes';
is(sql('SELECT phase FROM gdpr.conversion'), 'clear', 'and what was before is there still, when the call is killed');
is(state_of(q(CALL gdpr.convert_column('person', 'email'))), '', 'it comes to its end');
is(stop_all(), '', 'nobody met an error, and every lookup found its row');
is(sql('SELECT count(*) FROM twice'), '0', 'no address was ever there twice');
cmp_ok(sql($refused), '>', 100, 'though that was tried');

# ---- after ----

is(sql('SELECT count(*) FROM gdpr.conversion'), '0', 'nothing is left of it');
is(sql($differ), '0', 'no value differs');
is(sql('SELECT count(*) - count(DISTINCT same) FROM person'), '0', 'none is there twice');
my $good = sql('SELECT count(*) FROM person');
is(sql(q(SELECT string_agg(item || ' ' || count, ', ') FROM gdpr.check_column('person', 'email') WHERE count > 0)),
	"values $good, decrypt $good, decrypt by key version $good", 'all values are of the new context, and their tags of its key');

# The old keys are gone for good.
sql(q(
	UPDATE gdpr.tag_key SET status = 'destroyed', wrapped = NULL, root_id = NULL WHERE tag_domain = 'old';
	UPDATE gdpr.context_key SET status = 'destroyed', wrapped = NULL, root_id = NULL WHERE context = 'old';
));
start_all();
sleep 2;
is(stop_all(), '', 'without the old tag key every lookup finds its row');
is(sql(q(SELECT count FROM gdpr.check_column('person', 'email') WHERE item = 'decrypt')), sql('SELECT count(*) FROM person'), 'every value is read');
is(state_of(q(INSERT INTO person (id, email, same) VALUES (2000000, 'kanarialintu-1', 'x'))), '23505', 'the column is unique');
sql('CREATE EXTENSION amcheck');
is(state_of(q(SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 'person'::regclass)), '', 'the indexes are whole');

# ---- a tag domain as a whole, with a foreign key in it ----

sql(q(
	SELECT gdpr.create_context('a', ARRAY[CURRENT_USER]);
	SELECT gdpr.create_context('b', ARRAY[CURRENT_USER], '{"tag_domain": "a"}');
	SELECT gdpr.grant_context(c, CURRENT_USER, 'write') FROM unnest('{a,b}'::name[]) c;
	CREATE TABLE account (email enctext('a') PRIMARY KEY);
	CREATE TABLE letter (email enctext('b') NOT NULL REFERENCES account ON UPDATE CASCADE);
	INSERT INTO account SELECT 'kanarialintu-' || i FROM generate_series(1, 100) i;
	INSERT INTO letter SELECT 'kanarialintu-' || i FROM generate_series(1, 50) i;
));
my $plan = sql(q(SELECT gdpr.tag_rotation_plan('a')));
is(state_of($plan), '', 'the plan runs in psql as it is');
is(sql(q(SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attrelid::regclass::text) FROM pg_attribute
	WHERE attrelid IN ('account'::regclass, 'letter'::regclass) AND attname = 'email')), "enctext('a_2') enctext('b_2')", 'the columns have moved');
is(sql('SELECT count(*) FROM account JOIN letter USING (email)'), '50', 'and are equal to each other as before');
is(state_of(q(INSERT INTO letter VALUES ('kanarialintu-nobody'))), '23503', 'the foreign key is there');
is(sql(q(SELECT gdpr.tag_rotation_plan('a'))), '', 'and nothing is left to do');

$node->stop;
done_testing();
