# gdpr_ext: personal data answered for inside PostgreSQL.
#
# The targets in OWN prepare what they need themselves and leave the system
# as it was; everything else is PGXS (make, make install, make installcheck).

OWN = check check-core demo psql lint bench format sanitize majors fresh soak fuzz

ifneq ($(filter $(OWN),$(MAKECMDGOALS)),)

ifneq ($(words $(MAKECMDGOALS)),1)
$(error '$(firstword $(filter $(OWN),$(MAKECMDGOALS)))' stands alone: give one target at a time)
endif

.PHONY: $(OWN)
$(OWN):
	@test/run.sh $@

else

EXTENSION  = gdpr_ext
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)
MODULE_big = $(EXTENSION)

# One line an object, sorted: test/lint/files.sh compares the list with src/.
OBJS = \
	src/access/allow.o \
	src/access/compile.o \
	src/access/decide.o \
	src/access/follow.o \
	src/access/guard.o \
	src/access/matrix.o \
	src/access/own.o \
	src/access/privilege.o \
	src/access/purpose.o \
	src/access/rule.o \
	src/access/work.o \
	src/audit/batch.o \
	src/audit/erase.o \
	src/audit/erased.o \
	src/audit/guard.o \
	src/audit/guard_member.o \
	src/audit/log.o \
	src/audit/partition.o \
	src/audit/payload.o \
	src/audit/person.o \
	src/audit/protect.o \
	src/audit/relation.o \
	src/audit/show.o \
	src/audit/source.o \
	src/audit/tag.o \
	src/audit/trigger.o \
	src/audit/values.o \
	src/audit/who.o \
	src/base/acl.o \
	src/base/attempt.o \
	src/base/digest.o \
	src/base/guc.o \
	src/base/ident.o \
	src/base/input.o \
	src/base/options.o \
	src/base/origin.o \
	src/base/procedure.o \
	src/base/redact.o \
	src/base/rows.o \
	src/base/rowupdate.o \
	src/base/session.o \
	src/base/sql.o \
	src/base/sqltext.o \
	src/base/trigger.o \
	src/base/type.o \
	src/convert/convert.o \
	src/convert/convert_fill.o \
	src/convert/convert_online.o \
	src/convert/convert_report.o \
	src/convert/convert_row.o \
	src/convert/convert_run.o \
	src/convert/convert_view.o \
	src/convert/guard_conversion.o \
	src/crypto/aead.o \
	src/crypto/command.o \
	src/crypto/confirm.o \
	src/crypto/context.o \
	src/crypto/context_trigger.o \
	src/crypto/epoch.o \
	src/crypto/epoch_end.o \
	src/crypto/epoch_owner.o \
	src/crypto/inflight.o \
	src/crypto/key.o \
	src/crypto/key_status.o \
	src/crypto/keyring.o \
	src/crypto/keyring_load.o \
	src/crypto/keystore.o \
	src/crypto/keystore_file.o \
	src/crypto/keystore_program.o \
	src/crypto/nonce.o \
	src/crypto/provider_command.o \
	src/crypto/provider_file.o \
	src/crypto/random.o \
	src/crypto/ready.o \
	src/crypto/region.o \
	src/crypto/rewrap.o \
	src/crypto/root.o \
	src/crypto/rotate.o \
	src/crypto/secret.o \
	src/crypto/subject_cache.o \
	src/crypto/subject_hint.o \
	src/crypto/subject_key.o \
	src/crypto/subject_table.o \
	src/crypto/tag.o \
	src/enctype/base.o \
	src/enctype/basecast.o \
	src/enctype/cast.o \
	src/enctype/check.o \
	src/enctype/damage.o \
	src/enctype/destroy.o \
	src/enctype/enctype.o \
	src/enctype/envelope.o \
	src/enctype/fold.o \
	src/enctype/guard.o \
	src/enctype/guard_drop.o \
	src/enctype/guard_statistics.o \
	src/enctype/hint.o \
	src/enctype/input.o \
	src/enctype/keep.o \
	src/enctype/kind.o \
	src/enctype/leak.o \
	src/enctype/nested.o \
	src/enctype/ops.o \
	src/enctype/output.o \
	src/enctype/probe.o \
	src/enctype/probe_array.o \
	src/enctype/recent.o \
	src/enctype/redact_log.o \
	src/enctype/redact_scope.o \
	src/enctype/reencrypt.o \
	src/enctype/reencrypt_batch.o \
	src/enctype/refuse.o \
	src/enctype/refuse_rows.o \
	src/enctype/rewrite.o \
	src/enctype/seal.o \
	src/enctype/search.o \
	src/enctype/stats.o \
	src/enctype/text.o \
	src/enctype/typetree.o \
	src/enctype/unsealed.o \
	src/enctype/value.o \
	src/gdpr_ext.o \
	src/hooks.o \
	src/mask/conflict.o \
	src/mask/mask.o \
	src/registry/check.o \
	src/registry/column.o \
	src/registry/duty.o \
	src/registry/equality.o \
	src/registry/events.o \
	src/registry/link.o \
	src/registry/load.o \
	src/registry/predicate.o \
	src/registry/store.o \
	src/retention/declare.o \
	src/retention/rule.o \
	src/retention/run.o \
	src/retention/target.o \
	src/rights/certificate.o \
	src/rights/execute.o \
	src/rights/export.o \
	src/rights/forget.o \
	src/rights/hold.o \
	src/rights/kept.o \
	src/rights/ledger.o \
	src/rights/processing.o \
	src/rights/show.o \
	src/rights/verify.o \
	src/shred/person.o \
	src/shred/trigger.o \
	src/shred/verify.o \
	src/subject/bookkeeping.o \
	src/subject/datamap.o \
	src/subject/declare.o \
	src/subject/graph.o \
	src/subject/graph_facts.o \
	src/subject/graph_hash.o \
	src/subject/graph_relation.o \
	src/subject/hold.o \
	src/subject/inheritance.o \
	src/subject/key.o \
	src/subject/plan_check.o \
	src/subject/plan_decide.o \
	src/subject/plan_outside.o \
	src/subject/plan_sql.o \
	src/subject/plan_until.o \
	src/subject/plan_update.o \
	src/subject/plan_walk.o \
	src/subject/reference.o \
	src/subject/sharing.o \
	src/subject/statement.o \
	src/subject/walk.o \
	src/worker/database.o \
	src/worker/guard.o \
	src/worker/launcher.o \
	src/worker/shared.o

PARTS      = $(sort $(wildcard sql/parts/*.sql))
DATA       = $(wildcard sql/$(EXTENSION)--*--*.sql)
SCRIPTS    = bin/gdpr-key
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

REGRESS        := $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION      := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)

# The server that "make installcheck" meets has to preload the library.
REGRESS_PREP   = installcheck-server

# Include paths reach the bitcode too; warnings reach the compiler only.
PG_CPPFLAGS = -I$(srcdir)/src -DGDPR_EXT_VERSION='"$(EXTVERSION)"'
PG_CFLAGS   = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wdeclaration-after-statement \
	-Wshadow=compatible-local \
	-fvisibility=hidden $(if $(WERROR),-Werror)
SHLIB_LINK  = -lcrypto

EXTRA_CLEAN = $(DATA_built) $(DATA_built).new $(pg_regress_clean_files) build

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifeq ($(PGXS),)

.DEFAULT_GOAL := all
.PHONY: all install installcheck clean
all install installcheck clean:
	@echo "pg_config not found: install postgresql-server-dev-15 (or another major), or run 'make check'" >&2
	@exit 1

else

include $(PGXS)

.PHONY: installcheck-server
installcheck-server:
	@test/installcheck.sh '$(bindir)'

$(DATA_built): $(PARTS) sql/expand.awk $(EXTENSION).control
	awk -f sql/expand.awk $(PARTS) > $@.new
	mv $@.new $@

# PGXS does not follow headers; stale structs across files crash servers.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h) $(EXTENSION).control

endif
endif
