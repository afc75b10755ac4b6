// SPDX-License-Identifier: GPL-2.0-or-later
/* Per-CPU data. */
#include <linux/module.h>
#include <linux/percpu.h>

static DEFINE_PER_CPU(u64, judge_number);

static int __init judge_percpu_init(void)
{
	this_cpu_inc(judge_number);
	return 0;
}

static void __exit judge_percpu_exit(void)
{
}

module_init(judge_percpu_init);
module_exit(judge_percpu_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
