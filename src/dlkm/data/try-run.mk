
# What dlkm adds after a kernel's own try-run: what its compiler has answered before is said without starting a shell.
# `dlkm-yes` and `dlkm-no`, set below, hold the commands, each between < and >. What the shell would change in the
# words to be said, and every other command, is the kernel's own try-run's.
$(eval dlkm-try-run = $(value try-run))
dlkm-asked = <$(strip $(1))>
dlkm-said = $(2)$(3)
dlkm-odd = $(findstring $$,$(dlkm-said))$(findstring ",$(dlkm-said))$(findstring \,$(dlkm-said))$(findstring `,$(dlkm-said))
dlkm-answer = $(if $(findstring $(dlkm-asked),$(dlkm-yes)),$(2),$(if $(findstring $(dlkm-asked),$(dlkm-no)),$(3),$(dlkm-try-run)))
try-run = $(if $(dlkm-odd),$(dlkm-try-run),$(dlkm-answer))
