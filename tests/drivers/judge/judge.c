// SPDX-License-Identifier: GPL-2.0-or-later
/* Something of everything: parameters of every type, plain and GPL-only symbols, data with relocations. */
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>

static bool judge_bool;
static bool judge_invbool;
static int judge_bint;
static unsigned char judge_byte;
static short judge_short;
static unsigned short judge_ushort;
static int judge_int;
static unsigned int judge_uint;
static unsigned int judge_hexint;
static long judge_long;
static unsigned long judge_ulong;
static unsigned long long judge_ullong;
static char *judge_charp = "nobody";
static char judge_string[8];
static int judge_array[3];
static int judge_count;
static int judge_unsafe;

module_param(judge_bool, bool, 0444);
module_param(judge_invbool, invbool, 0444);
module_param(judge_bint, bint, 0444);
module_param(judge_byte, byte, 0444);
module_param(judge_short, short, 0444);
module_param(judge_ushort, ushort, 0444);
module_param(judge_int, int, 0444);
module_param(judge_uint, uint, 0444);
module_param(judge_hexint, hexint, 0444);
module_param(judge_long, long, 0444);
module_param(judge_ulong, ulong, 0444);
module_param(judge_ullong, ullong, 0444);
module_param(judge_charp, charp, 0444);
module_param_unsafe(judge_unsafe, int, 0444);
module_param_string(judge_string, judge_string, sizeof(judge_string), 0444);
module_param_array(judge_array, int, &judge_count, 0444);

/* A parameter with a setter of its own, of which modinfo says nothing. */
static int judge_own_set(const char *value, const struct kernel_param *param)
{
	return value[0] == 'n' ? -EDOM : 0;
}
static const struct kernel_param_ops judge_own_ops = { .set = judge_own_set };
module_param_cb(judge_own, &judge_own_ops, NULL, 0200);

/* Pointers and bytes, each in its own section: targets of relocations that a test finds by name. */
static const char *judge_words[] __used __section(".judge.data") = { "one", "two", "three" };

static int __init judge_init(void)
{
	pr_debug("%s at %lld\n", judge_words[judge_int & 1], ktime_get());
	return 0;
}

static void __exit judge_exit(void)
{
}

module_init(judge_init);
module_exit(judge_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
MODULE_VERSION("1");
