// SPDX-License-Identifier: GPL-2.0-or-later
/* Its init() answers what it is told. */
#include <linux/module.h>

static int judge_answer;
module_param(judge_answer, int, 0444);

static int __init judge_answer_init(void)
{
	if (judge_answer)
		pr_err("judge_answer: no device found\n");
	return judge_answer;
}

static void __exit judge_answer_exit(void)
{
}

module_init(judge_answer_init);
module_exit(judge_answer_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
