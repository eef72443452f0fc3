# source.sh: the source package that the installed server was built from.  Sourced
# by core.sh.
#
# apt fetches and verifies it, with lists and a cache of its own below the work
# folder: a system usually has no deb-src entries, and none is added to it.

# source_entries: a deb-src line for each repository of Debian or PGDG that the
# system's own entries name, with the key that they name.
source_entries() {
	local origin uri release component entry keys
	apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)' \
		'Identifier: Packages' 2>/dev/null | sort -u |
		while IFS='|' read -r origin uri release component entry; do
			case $origin in Debian | apt.postgresql.org) ;; *) continue ;; esac
			keys=$(grep -hoiE 'signed-by *[:=] *[^]]+' "${entry%:*}" 2>/dev/null |
				grep -oE '/[^], ]+' | sort -u | paste -sd,)
			echo "deb-src ${keys:+[signed-by=$keys] }$uri $release $component"
		done
}

source_apt() { # TOOL ARGUMENTS...
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::SourceList="$source_dir/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$source_dir/lists" -o Dir::Cache="$source_dir/cache" \
		-o APT::Sandbox::User="$(id -un)" "$@" </dev/null
}

# source_versions PACKAGE INSTALLED: the versions on offer that may serve, best first:
# the installed one, then older ones of the same major, newest first.
source_versions() {
	local v
	source_apt apt-cache showsrc "$1" 2>/dev/null | sed -n 's/^Version: //p' | sort -urV |
		while read -r v; do
			dpkg --compare-versions "$v" le "$2" && echo "$v"
		done
}

# fetch_source: unpacks into $source_dir/tree; sets source_version, and
# source_exact to 1 if it is the installed server's.  A mirror may have a package and
# not its source; then an older one has to do, and is named.
fetch_source() {
	local package installed v
	source_dir=$WORK/source
	mkdir -p "$source_dir/lists/partial" "$source_dir/cache/archives/partial"
	package=$(dpkg-query -W -f '${source:Package}' "postgresql-$GDPR_PG" 2>/dev/null)
	installed=$(dpkg-query -W -f '${source:Version}' "postgresql-$GDPR_PG" 2>/dev/null)
	if [ -z "$package" ]; then
		echo "the server of PostgreSQL $GDPR_PG is not of a Debian package, so its source is not known"
		return 1
	fi
	source_entries >"$source_dir/sources.list"
	if [ ! -s "$source_dir/sources.list" ]; then
		echo "apt knows no repository of Debian or PGDG to fetch $package $installed from (apt-get update?)"
		return 1
	fi
	source_apt apt-get update >"$logs/source" 2>&1 || tail -n 3 "$logs/source"
	cd "$source_dir" || return 1
	for v in $(source_versions "$package" "$installed"); do
		if source_apt apt-get source --download-only "$package=$v" >>"$logs/source" 2>&1 &&
			dpkg-source --no-check -x "$package"_"${v#*:}".dsc tree >>"$logs/source" 2>&1; then
			source_version=$v
			source_exact=
			[ "$v" = "$installed" ] && source_exact=1
			cd "$WORK/tree"
			return 0
		fi
		echo "the source of $package $v is on the list, but cannot be fetched"
	done
	cd "$WORK/tree"
	echo "no source of $package for the installed $installed can be had here"
	return 1
}

# source_psql FOLDER: the server's programs, with the psql of the source's version, if
# apt has it: a suite and its psql belong together (they agree, say, on what follows
# a COPY that failed), and the rest of the programs is the server's.
source_psql() {
	mkdir -p "$1" "$source_dir/client"
	ln -sf "$bindir"/* "$1/"
	cd "$source_dir/client" || return 1
	if apt-get -q -o Dir::Cache="$source_dir/cache" -o APT::Sandbox::User="$(id -un)" download \
		"postgresql-client-$GDPR_PG=$source_version" </dev/null >>"$logs/source" 2>&1 &&
		dpkg-deb -x ./*.deb . && [ -x ".$bindir/psql" ]; then
		ln -sf "$PWD$bindir/psql" "$1/psql"
	fi
	cd "$WORK/tree" || return 1
}
