/*
 * origin.h
 *	  Who changes a row: the application, or one of our own verbs.
 *
 * What forget and retention change is recorded by the names of the columns
 * only: the audit log must not keep what they take away.  Held in C, so that
 * no statement can claim to be one of them.
 */
#ifndef GDPR_ORIGIN_H
#define GDPR_ORIGIN_H

typedef enum GdprOrigin
{
	GDPR_ORIGIN_APPLICATION,
	GDPR_ORIGIN_FORGET,
	GDPR_ORIGIN_RETENTION,
} GdprOrigin;

extern GdprOrigin gdpr_origin_get(void);

/*
 * Sets it and returns what it was.  The caller sets it back, also when an
 * error passes: PG_FINALLY.
 */
extern GdprOrigin gdpr_origin_set(GdprOrigin origin);

#endif /* GDPR_ORIGIN_H */
