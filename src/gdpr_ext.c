/*
 * gdpr_ext.c
 *	  Entry point of the library: a table of contents.
 */
#include "base/compat.h"

#include "audit/batch.h"
#include "audit/erased.h"
#include "audit/log.h"
#include "audit/relation.h"
#include "audit/source.h"
#include "base/guc.h"
#include "base/rows.h"
#include "crypto/keyring.h"
#include "crypto/subject_key.h"
#include "enctype/enctype.h"
#include "enctype/leak.h"
#include "enctype/redact_scope.h"
#include "enctype/rewrite.h"
#include "enctype/typetree.h"
#include "hooks.h"
#include "shred/shred.h"
#include "worker/worker.h"

GDPR_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	/* Settings first: everything else may look at them. */
	gdpr_guc_init();

	gdpr_rows_init();
	gdpr_keyring_init();
	gdpr_subject_key_init();
	gdpr_enctype_init();
	gdpr_typetree_init();
	gdpr_rewrite_init();
	gdpr_leak_init();
	gdpr_redact_scope_init();
	gdpr_audit_log_init();
	gdpr_audit_batch_init();
	gdpr_audit_erased_init();
	gdpr_audit_who_init();
	gdpr_audit_relation_init();
	gdpr_audit_source_init();
	gdpr_shred_init();
	gdpr_worker_init();

	gdpr_hooks_init();
}
