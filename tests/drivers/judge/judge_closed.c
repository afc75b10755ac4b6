// SPDX-License-Identifier: GPL-2.0-or-later
/* Proprietary by its own word; exports a plain symbol. */
#include <linux/module.h>

int judge_closed(void)
{
	return 5;
}
EXPORT_SYMBOL(judge_closed);

MODULE_LICENSE("Proprietary");
MODULE_DESCRIPTION("A module for the judge");
