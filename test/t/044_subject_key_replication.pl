# Values under keys of persons on a subscriber: read with the keys' rows, and
# erased there with the key that is erased here.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('publisher');
$node->init(allows_streaming => 'logical');
$node->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;

my $tables = q(
	CREATE TABLE person (id int PRIMARY KEY, note encsecret('pii'), mail enctext('pii') UNIQUE);
	CREATE TABLE visit (id int PRIMARY KEY, person int, place encsecret('pii'), code enctext('pii'));
);
my $protect = q(
	SELECT gdpr.declare_subject('person', 'person');
	SELECT gdpr.declare_column('person', 'note', 'free_text'), gdpr.declare_column('person', 'mail', 'email');
	SELECT gdpr.declare_link('visit', '{person}', 'person', '{id}', on_forget => 'delete');
	SELECT gdpr.approve_map('person');
	SELECT gdpr.protect_subject('person', '{"subject_keys": true}');
);
$node->safe_psql('postgres', "CREATE EXTENSION gdpr_ext; SELECT gdpr.create_context('pii', ARRAY[current_user]); $tables $protect
	INSERT INTO person SELECT i, 'note-' || i, 'mail-' || i FROM generate_series(1, 5) i;
	INSERT INTO visit SELECT i, i, 'place-' || i, 'code-' || i FROM generate_series(1, 5) i");

sub persons
{
	my ($server) = @_;
	return $server->safe_psql('postgres', q(
		SELECT string_agg(concat_ws(':', p.id, p.note::text, p.mail::text, v.place::text, v.code::text), ' ' ORDER BY p.id)
		FROM person p JOIN visit v ON v.person = p.id));
}

my $all = persons($node);
like($all, qr/1:note-1:mail-1:place-1:code-1/, 'the publisher reads');

# The subscriber gets the contexts' keys by hand, those of persons as they come.
$subscriber->safe_psql('postgres', 'CREATE EXTENSION gdpr_ext');
for my $table (qw(gdpr.context gdpr.context_key gdpr.tag_key gdpr.context_grant))
{
	my $rows = $node->safe_psql('postgres', "COPY (SELECT * FROM $table WHERE to_jsonb($table.*) ->> 'name' IS DISTINCT FROM 'gdpr'
		AND to_jsonb($table.*) ->> 'context' IS DISTINCT FROM 'gdpr' AND to_jsonb($table.*) ->> 'tag_domain' IS DISTINCT FROM 'gdpr') TO STDOUT");
	$subscriber->safe_psql('postgres', "COPY $table FROM STDIN;\n$rows\n\\.\n") if $rows ne '';
}
$subscriber->safe_psql('postgres', $tables);
$node->safe_psql('postgres', 'CREATE PUBLICATION rows FOR TABLE person, visit; CREATE PUBLICATION keys FOR TABLE gdpr.subject_epoch, gdpr.subject_key');
my $connection = sprintf('host=%s port=%d dbname=postgres', $node->host, $node->port);
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION rows CONNECTION '$connection' PUBLICATION rows");
$subscriber->wait_for_subscription_sync($node, 'rows');
is($subscriber->safe_psql('postgres', 'SELECT count(*), count(note::text), count(mail::text) FROM person'), '5|0|0',
	'without the keys values read as NULL');
is($subscriber->safe_psql('postgres', "SELECT id FROM person WHERE mail = 'mail-3'"), '3', 'and are found by their tags');

$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION keys CONNECTION '$connection' PUBLICATION keys");
$subscriber->wait_for_subscription_sync($node, 'keys');
is(persons($subscriber), $all, 'with the keys the subscriber reads');

# A session that stays: it has the keys in memory.
my $session = $subscriber->background_psql('postgres');
is($session->query('SELECT count(note::text) FROM person'), '5', 'a session that stays reads them');

# What changes.
$node->safe_psql('postgres', "INSERT INTO person VALUES (6, 'note-6', 'mail-6'); INSERT INTO visit VALUES (6, 6, 'place-6', 'code-6');
	UPDATE visit SET place = 'elsewhere' WHERE id = 2; UPDATE visit SET person = 3 WHERE id = 4; DELETE FROM visit WHERE id = 5");
$node->wait_for_catchup('rows');
$node->wait_for_catchup('keys');
is(persons($subscriber), persons($node), 'new persons, changed values, a row given to another person');

# An erasure: his key goes there as here, whatever of him is left.
$subscriber->safe_psql('postgres', 'CREATE TABLE kept AS TABLE person');
is($session->query('SELECT count(note::text) FROM kept'), '6', 'a copy that the subscriber made is read');
$node->safe_psql('postgres', "SELECT gdpr_forget('2', 'person')");
$node->wait_for_catchup('rows');
$node->wait_for_catchup('keys');
is($session->query("SELECT string_agg(id::text, ',' ORDER BY id) FROM kept WHERE note::text IS NULL"), '2',
	'the session that stays cannot read him either');
$session->quit;
is(persons($subscriber), persons($node), 'an erased person is gone there');
is($subscriber->safe_psql('postgres', 'SELECT string_agg(id::text, \',\' ORDER BY id) FROM kept WHERE note::text IS NULL'), '2',
	'and what was copied of him cannot be read any more');

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION rows; DROP SUBSCRIPTION keys');
$node->stop;
$subscriber->stop;
done_testing();
