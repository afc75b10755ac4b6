# Every construct of the language, one after the other; what each gives stands in test_recipe_language.py.
LICENSE = "CLOSED"
require language.inc
include not-there.inc

inherit module

PLAIN = "a"
WEAK ?= "first"
WEAK ?= "second"
WEAKER ??= "weak"
WEAKER ?= "strong"
NOW := "${PLAIN} then"
PLAIN_LATER = "b"
JOINED = "1"
JOINED += "2"
JOINED =+ "0"
JOINED:append = " 3"
TIGHT = "b"
TIGHT .= "c"
TIGHT =. "a"
LATER:prepend = "[begin] "
LATER = "middle"
LATER:append = " end"
LESS = "a b c d"
LESS:remove = "b c"
LESS:remove = "c"
LESS = "a b d"
CHOSEN = "for any"
CHOSEN:x86-64 = "for this architecture"
CHOSEN:qemux86-64 = "for this machine"
CHOSEN:qemuarm64 = "for another"
CHOSEN_BY_KEY:${PN} = "package"
CHOSEN_BY_KEY = "${@d.getVar('CHOSEN_BY_KEY:' + d.getVar('PN')) and 'deep'}"
COUNT = "${@len(d.getVar('LIST').split())}"
LIST = "x y z"
FROM_FUNCTION = "${@shouted('hello')}"
FLAGGED = "${@' '.join(d.getVarFlag('TASKY', name) for name in ('first', 'second'))}"
TASKY[first] = "one"
TASKY[second] = "two"
LONG = "one \
two \
three"
UNTOUCHED = "${NOT_THERE} ${@ ${NOT_THERE} }"
GONE = "soon"
unset GONE
export EXPORTED = "1"
APPENDED = "here"

def shouted(text):
    return text.upper()

python () {
    d.setVar('FROM_ANONYMOUS', d.getVar('TARGET_ARCH') + ' again')
}

do_between() {
	:
}
addtask between after do_compile before do_install
deltask do_populate_lic
