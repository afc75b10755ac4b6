# SPDX-License-Identifier: GPL-2.0-or-later

# What dlkm adds after a kernel's own try-run: what was found out before is said without starting a shell. `dlkm-yes` and
# `dlkm-no`, set below, hold the commands, `dlkm-mark` before and after each. What the shell would change in the words to
# be said, and every other command, is the kernel's own try-run's.
$(eval dlkm-try-run = $(value try-run))
dlkm-said = $(2)$(3)
dlkm-odd = $(findstring $$,$(dlkm-said))$(findstring ",$(dlkm-said))$(findstring \,$(dlkm-said))$(findstring `,$(dlkm-said))
dlkm-asked = $(dlkm-mark)$(1)$(dlkm-mark)
dlkm-answer = $(if $(findstring $(dlkm-asked),$(dlkm-yes)),$(2),$(if $(findstring $(dlkm-asked),$(dlkm-no)),$(3),$(dlkm-try-run)))
try-run = $(if $(dlkm-odd),$(dlkm-try-run),$(dlkm-answer))

# Before 6.9 a script finds out pahole's version each time that a recipe runs anything: once a make is enough.
ifeq ($(origin PAHOLE_FLAGS) $(flavor PAHOLE_FLAGS),file recursive)
PAHOLE_FLAGS := $(PAHOLE_FLAGS)
endif
