// SPDX-License-Identifier: GPL-2.0-or-later
/* The smallest module that says something: one parameter, one line at load, one at unload. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static char *whom = "world";
module_param(whom, charp, 0444);
MODULE_PARM_DESC(whom, "whom to greet");

static int __init hello_init(void)
{
	pr_info("hello, %s\n", whom);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("goodbye, %s\n", whom);
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The dlkm authors");
MODULE_DESCRIPTION("Greets when it is loaded");
MODULE_VERSION("1.0");
