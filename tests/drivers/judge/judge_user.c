// SPDX-License-Identifier: GPL-2.0-or-later
/* Uses what judge_giver gives. */
#include <linux/module.h>

#include "judge.h"

int judge_plain(void);
int judge_gpl(void);
int judge_room(void);

static int __init judge_user_init(void)
{
	return judge_plain() + judge_gpl() + judge_room() == 6 ? 0 : -EIO;
}

static void __exit judge_user_exit(void)
{
}

module_init(judge_user_init);
module_exit(judge_user_exit);
MODULE_IMPORT_NS(ROOM(JUDGE));
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
