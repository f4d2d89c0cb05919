// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What a witness told, written into the record of a rename, a removal or a link when the call or request ends. Each gives
 * the record's new end, or the old one when the witness does not know: then nothing was written that counts.
 */
#ifndef YAGURA_TOLD_H
#define YAGURA_TOLD_H

#include "witness.h"

struct file_record {
	struct head head;
	struct fileinfo file; /* ino 0: no kernel object stands for it any more */
	__u32 mode;	      /* that chmod was asked for */
	__u32 how;	      /* of a link: link_how; of a change: change_how */
};

enum change_how {
	CHANGE_CUT = 1,	    /* the call made the file empty, or left it so */
	CHANGE_EMPTIED = 2, /* it had content before: known only where a hook inside the call looks */
};

/* cut_how says what a call that cut a file to nothing took away from it. */
static __always_inline __u32 cut_how(struct task_struct *task, struct inode *inode)
{
	__u32 thread = task->pid;
	struct cut *c = bpf_map_lookup_elem(&cuts, &thread);

	if (!c || c->start != task->start_boottime || c->inode != inode || !c->size)
		return CHANGE_CUT;
	c->size = 0;
	return CHANGE_CUT | CHANGE_EMPTIED;
}

/* moved says whether an object has another name, or lies in another folder, than when it was noted. */
static __always_inline bool moved(struct place *p)
{
	struct dentry *object = p->object;
	return object_in(object, p->inode) &&
	       (BPF_CORE_READ(object, d_parent) != p->folder || BPF_CORE_READ(object, d_name.hash_len) != p->hash);
}

/* put_rename appends both names of the object that was moved; end when nothing noted was. */
static __always_inline __u32 put_rename(struct scratch *s, __u32 end, struct witness *w)
{
	__u32 middle, after;

	for (int i = 0; i < PLACES; i++) {
		struct place *p = &w->place[i];
		if (!p->inode || !moved(p))
			continue;
		middle = put_noted(s, end, TEXT_OLD_BASE, p);
		if (middle == end)
			return end;
		after = put_object(s, middle, TEXT_PATH, p);
		if (after == middle)
			return end;
		fill_file(&((struct file_record *)s->rec)->file, p->inode);
		return after;
	}
	return end;
}

/* unhashed says whether a name cannot be found any more. */
static __always_inline bool unhashed(struct dentry *dentry)
{
	return !BPF_CORE_READ(dentry, d_hash.pprev);
}

/* put_removed appends the name that a file lost; end when that is not known. */
static __always_inline __u32 put_removed(struct scratch *s, __u32 end, struct witness *w)
{
	if (w->places == 1)
		return put_noted(s, end, TEXT_PATH, &w->place[0]);
	if (w->places > PLACES)
		return end;
	for (int i = 0; i < PLACES; i++) {
		struct place *p = &w->place[i];
		if (i < w->places && (!object_in(p->object, p->inode) || unhashed(p->object)))
			return put_noted(s, end, TEXT_PATH, p);
	}
	return end;
}

enum link_how { LINK_HARD = 0, LINK_SYMBOLIC = 1 };

/* put_link appends what a new link leads to and where it lies: both known when a hook saw the link made (place 1),
 * else the newest name of the object that was linked. end when one of the two is not known. */
static __always_inline __u32 put_link(struct scratch *s, __u32 end, struct witness *w, __u8 how)
{
	struct place *to = &w->place[1];
	struct inode *inode = w->place[0].inode;
	struct dentry *made = to->object;
	__u32 middle, after;
	char *says;

	if (w->places == 2) {
		inode = BPF_CORE_READ(made, d_inode);
	} else {
		made = first_name(inode);
		to->mnt = 0;
	}
	if (!inode || made == w->place[0].object)
		return end;
	to->object = made;
	to->inode = inode;
	if (how == LINK_SYMBOLIC) { /* what it says, relative to where it lies */
		says = BPF_CORE_READ(inode, i_link);
		middle = says ? put_kernel(s, end, TEXT_OLD_USER, says) : end;
	} else {
		middle = put_noted(s, end, TEXT_OLD_BASE, &w->place[0]);
	}
	if (middle == end)
		return end;
	after = put_object(s, middle, TEXT_PATH, to);
	if (after == middle)
		return end;
	fill_file(&((struct file_record *)s->rec)->file, inode);
	return after;
}

#endif
