# The demo: its persons cannot be anybody's, its rows are the same every time,
# and every fact that it shows is so.

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $demo = abs_path(dirname(__FILE__) . '/../../demo');
my $node = PostgreSQL::Test::Cluster->new('demo');
$node->init;
$node->start;

sub load
{
	my ($database, $size) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0");
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $database;
	ok(!system('bash', "$demo/load.sh", $size), "the shop loads with $size customers");
	return;
}

my $digest = q{
	SELECT string_agg(d, ' ') FROM (
		SELECT md5(string_agg(c::text, '' ORDER BY id)) AS d FROM shop.customer c
		UNION ALL
		SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM shop.orders o
		UNION ALL
		SELECT md5(string_agg(v::text, '' ORDER BY v)) FROM shop.visit v) x};

load('shop_one', 2000);
load('shop_two', 2000);
is($node->safe_psql('shop_one', $digest), $node->safe_psql('shop_two', $digest),
	'the same number gives the same rows');

sub none
{
	my ($condition, $what) = @_;
	is($node->safe_psql('shop_one', "SELECT count(*) FROM shop.customer WHERE $condition"), '0', $what);
	return;
}

none(q{email !~ '^[a-z.]+[0-9]+@example[.](org|com|net)$'}, 'e-mail addresses are of example domains');
none(q{phone IS NULL}, 'everybody has a phone');
none(q{country = 'SE' AND NOT replace(phone, ' ', '') BETWEEN '+46701740605' AND '+46701740699'},
	'Swedish phones are of the range kept for fiction');
none(q{country <> 'SE' AND phone !~ '^[+]44 7700 900[0-9]{3}$'}, 'all other phones are of the range kept for drama');
none(q{country = 'FI' AND national_id !~ '^[0-9]{6}[-A]9[0-9]{2}[0-9A-Y]$'},
	'Finnish ids have individual numbers from 900 to 999');
none(q{country = 'NO' AND substr(national_id, 3, 2)::integer NOT BETWEEN 81 AND 92},
	'Norwegian ids have the month of the synthetic population');
none(q{country = 'SE' AND national_id NOT IN ('199001012385', '199908072391', '200002292399', '191202119986')},
	'Swedish ids are published test numbers');
none(q{country IN ('DK', 'EE') AND national_id IS NOT NULL}, 'Danes and Estonians have none');
is($node->safe_psql('shop_one',
		q{SELECT count(DISTINCT left(national_id, 12)) = count(national_id), count(DISTINCT country) FROM shop.customer}),
	't|5', 'no two share an id, and all five countries are there');
is($node->safe_psql('shop_one',
		q{SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'shop.visit_2025'::regclass}),
	'0', 'one partition lacks the foreign key');

$node->safe_psql('postgres', q(CREATE DATABASE shop ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0));
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'shop';
	my $output = `bash $demo/run.sh 2000 2>&1`;
	is($?, 0, 'the walk ends well') or diag($output);
	unlike($output, qr/NOT SO/, 'and all facts hold');
	my @facts = $output =~ /^   checked: /mg;
	cmp_ok(scalar @facts, '>=', 20, 'and it checks them');
}

done_testing();
