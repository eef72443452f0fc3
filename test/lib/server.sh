# server.sh: building, staging and starting throwaway servers.  Sourced by
# inside.sh.

stage=${GDPR_STAGE:-$WORK/stage}
build_flags=()
export GDPR_STAGE=$stage

# Builds with -Werror and installs below $stage.  Log in $logs/build.
build() {
	[ -e "$stage/built" ] && return 0
	{
		make -j"$jobs" WERROR=1 with_llvm="${GDPR_LLVM:-no}" PG_CONFIG="$bindir/pg_config" \
			"${build_flags[@]}" all &&
			make -j"$jobs" WERROR=1 with_llvm="${GDPR_LLVM:-no}" PG_CONFIG="$bindir/pg_config" \
				"${build_flags[@]}" install DESTDIR="$stage"
	} >"$logs/build" 2>&1 && touch "$stage/built"
}

build_quietly() {
	build && return
	compiler_errors "$logs/build" >&2
	keep "$logs/build"
	return 1
}

# The settings that every throwaway server gets.  TAP tests read the same file
# through TEMP_CONFIG; what a test appends later wins.
write_conf() {
	local key=$WORK/root.key
	[ -e "$WORK/server.conf" ] && return
	(umask 077 && od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n' >"$key" && echo >>"$key")
	{
		echo "listen_addresses = ''"
		echo "fsync = off"
		echo "shared_preload_libraries = 'gdpr_ext'"
		if [ "$GDPR_PG" -ge 18 ]; then
			echo "extension_control_path = '$stage/usr/share/postgresql/$GDPR_PG:\$system'"
		else
			echo "extension_destdir = '$stage'"
		fi
		echo "dynamic_library_path = '$stage/usr/lib/postgresql/$GDPR_PG/lib:\$libdir'"
		echo "gdpr.root_key_file = '$key'"
	} >"$WORK/server.conf"
	export TEMP_CONFIG=$WORK/server.conf
	export GDPR_ROOT_KEY_FILE=$key
}

# start_server NAME [CONF]: a server of its own in $WORK/NAME, with the settings of the
# file CONF too; sets PGHOST, PGPORT, PGUSER, PGDATABASE and GDPR_PGDATA.  A second call
# with the same name does nothing.  Where $server_conf is set, that file stands for what
# every server gets.
start_server() {
	local dir=$WORK/$1
	export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	export GDPR_PGDATA=$dir/data
	[ -e "$dir/data/postmaster.pid" ] && return
	write_conf
	mkdir -p "$dir"
	if ! initdb -D "$dir/data" -N --no-locale -E UTF8 -A trust -U postgres >"$logs/initdb" 2>&1; then
		excerpt "$logs/initdb" >&2
		return 1
	fi
	{
		cat "${server_conf:-$WORK/server.conf}"
		echo "unix_socket_directories = '$dir'"
		echo "max_connections = 50"
		echo "log_line_prefix = '%m [%p] %q%d '"
		[ $# -lt 2 ] || cat "$2"
	} >>"$dir/data/postgresql.conf"
	if ! pg_ctl -D "$dir/data" -l "$dir/log" -w -t 60 start >"$logs/start" 2>&1; then
		excerpt "$logs/start" >&2
		excerpt "$dir/log" >&2
		keep "$dir/log"
		return 1
	fi
}
