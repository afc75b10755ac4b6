// SPDX-License-Identifier: GPL-2.0-or-later
/* Exports: plain, GPL-only, in a namespace, and one whose name others have at that length. */
#include <linux/module.h>

#include "judge.h"

int judge_plain(void)
{
	return 1;
}
EXPORT_SYMBOL(judge_plain);

int judge_gpl(void)
{
	return 2;
}
EXPORT_SYMBOL_GPL(judge_gpl);

int judge_room(void)
{
	return 3;
}
EXPORT_SYMBOL_NS(judge_room, ROOM(JUDGE));

int judge_x(void)
{
	return 4;
}
EXPORT_SYMBOL(judge_x);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
