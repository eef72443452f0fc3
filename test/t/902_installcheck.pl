# "make installcheck" says what it needs when the running server lacks it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $script = "$ENV{GDPR_TREE}/test/installcheck.sh";

# asks SETTINGS: what the script says to a server
sub asks
{
	my ($host, $port) = @_;
	local $ENV{PGHOST} = $host;
	local $ENV{PGPORT} = $port;
	local $ENV{PGDATABASE} = 'postgres';
	my $out = `'$script' '$ENV{bindir}' 2>&1`;
	return ($? >> 8, $out);
}

my $node = PostgreSQL::Test::Cluster->new('installcheck');
$node->init;

my ($rc, $out) = asks($node->host, $node->port);
is($rc, 1, 'no server: status');
like($out, qr/no server answers.*make check/s, 'no server: what to do');

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;
($rc, $out) = asks($node->host, $node->port);
is($rc, 1, 'not preloaded: status');
like($out, qr/shared_preload_libraries = 'gdpr_ext'/, 'not preloaded: the line to add');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'gdpr_ext'\ngdpr.root_key_file = ''");
$node->restart;
($rc, $out) = asks($node->host, $node->port);
is($rc, 1, 'no root key: status');
like($out, qr/gdpr\.root_key_file/, 'no root key: the setting to give');

$node->append_conf('postgresql.conf', "gdpr.root_key_file = '$ENV{GDPR_ROOT_KEY_FILE}'");
$node->restart;
($rc, $out) = asks($node->host, $node->port);
is($rc, 0, 'all there: status');
is($out, '', 'all there: nothing to say');

done_testing();
