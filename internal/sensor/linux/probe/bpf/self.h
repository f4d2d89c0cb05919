// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Whose acts are not reported. */
#ifndef YAGURA_SELF_H
#define YAGURA_SELF_H

#include "record.h"

/*
 * tgid of the sensor in the first pid namespace; 0 hides nobody. Read-only data that is frozen before a program
 * is loaded: in a table that can be written, one write made any process invisible.
 */
volatile const __u32 self = 0;

static __always_inline bool is_self(__u32 tgid)
{
	return self && self == tgid;
}

#endif
