/*
 * hooks.c
 *	  Entry points of the server's hooks: save, dispatch by table, chain.
 *
 * The only file in which a server's hook variable is assigned.
 */
#include "base/compat.h"

#include "crypto/keyring.h"
#include "hooks.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

/* Who keeps something in shared memory; filled in this order. */
typedef struct SharedPart
{
	Size		(*size) (void);
	void		(*startup) (void);
} SharedPart;

static const SharedPart shared_parts[] = {
	{gdpr_keyring_shmem_size, gdpr_keyring_shmem_startup},
};

static shmem_request_hook_type previous_shmem_request = NULL;
static shmem_startup_hook_type previous_shmem_startup = NULL;

static void
shmem_request(void)
{
	if (previous_shmem_request)
		previous_shmem_request();
	for (int i = 0; i < lengthof(shared_parts); i++)
		RequestAddinShmemSpace(shared_parts[i].size());
}

static void
shmem_startup(void)
{
	if (previous_shmem_startup)
		previous_shmem_startup();
	for (int i = 0; i < lengthof(shared_parts); i++)
		shared_parts[i].startup();
}

void
gdpr_hooks_init(void)
{
	/* Shared memory can be asked for only while the server starts. */
	if (process_shared_preload_libraries_in_progress)
	{
		previous_shmem_request = shmem_request_hook;
		shmem_request_hook = shmem_request;
		previous_shmem_startup = shmem_startup_hook;
		shmem_startup_hook = shmem_startup;
	}
}
