// SPDX-License-Identifier: GPL-2.0-or-later
/* Warns here and in inline functions of the kernel's headers: both leave the names of files. */
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/percpu-refcount.h>
#include <linux/skbuff.h>

static struct percpu_ref ref;

void warns_use(struct device *device, void *data);
void warns_use(struct device *device, void *data)
{
	percpu_ref_get(&ref);
	dma_map_single(device, data, 10, DMA_TO_DEVICE);
	kunmap_local(kmap_local_page(virt_to_page(data)));
}

static int __init warns_init(void)
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);

	if (WARN_ON(!skb))
		return -ENOMEM;
	skb_put_data(skb, __FILE__, sizeof(__FILE__));
	kfree_skb(skb);
	return 0;
}
module_init(warns_init);

MODULE_DESCRIPTION("Leaves the names of files in its code");
MODULE_LICENSE("GPL");
