// SPDX-License-Identifier: GPL-2.0-or-later
/* Uses symbols of the kernel that are in a namespace. */
#include <linux/dma-buf.h>
#include <linux/module.h>

#include "judge.h"

static int __init judge_spaced_init(void)
{
	struct dma_buf *none = dma_buf_get(-1);

	if (!IS_ERR(none))
		dma_buf_put(none);
	return 0;
}

static void __exit judge_spaced_exit(void)
{
}

module_init(judge_spaced_init);
module_exit(judge_spaced_exit);
MODULE_IMPORT_NS(ROOM(DMA_BUF));
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module for the judge");
