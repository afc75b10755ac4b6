// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/export.h>
#include "pair.h"

int pair_part(int value)
{
	return value + 1;
}
EXPORT_SYMBOL_GPL(pair_part);
