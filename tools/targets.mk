# SPDX-License-Identifier: BSD-2-Clause
#
# The targets that people call, but for `all` (included by the top Makefile).

help:
	@echo 'make              everything, into build/'
	@echo 'make deps         install the Debian packages that are needed'
	@echo 'make check        build and run all tests'
	@echo 'make bench        measure; table, and $(B)/bench/results.json'
	@echo 'make soak         a million forks, 50,000 connections; hours'
	@echo 'make demo         install what is needed, build, show it working'
	@echo 'make install      DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)'
	@echo 'make lint         clang-tidy and cppcheck'
	@echo 'make clean        remove what was built (the unpacked kernel source stays)'
	@echo 'make distclean    remove build/'
	@echo 'KDEBUG=1          a kernel that checks itself, in build/kdebug'
	@echo 'SANITIZE=address,undefined   or thread: user-space parts, in a directory of their own'
	@echo 'V=1               show the commands'

deps:
	tools/deps.sh

demo:
	tools/demo.sh

bindir	= $(DESTDIR)$(PREFIX)/bin
libdir	= $(DESTDIR)$(PREFIX)/lib
incdir	= $(DESTDIR)$(PREFIX)/include/rump
mandir	= $(DESTDIR)$(PREFIX)/share/man
docdir	= $(DESTDIR)$(PREFIX)/share/doc/rump

# A page goes to the section that its name ends in.
install: all
	install -d $(bindir) $(libdir) $(incdir) $(docdir)
	install -m 755 $(addprefix $(B)/,$(BIN) $(SBIN)) $(bindir)
	install -m 755 $(addprefix $(B)/,$(LIBRARIES)) $(libdir)
	install -m 644 $(HEADERS) $(filter $(B)/include/rump/%,$(GENHEADERS)) $(incdir)
	install -m 644 README.md LICENSE $(docdir)
	install -m 644 kernel/LICENSE $(docdir)/LICENSE.kernel
	$(foreach m,$(MAN),install -D -m 644 $m $(mandir)/man$(patsubst .%,%,$(suffix $m))/$(notdir $m) &&) :

clean:
	rm -rf $(filter-out $(O)/linux-source-%,$(wildcard $(B)/*)) $(B)/.flags

distclean:
	rm -rf $(O)

# Each file by itself, so that -j helps.
LINTS	= $(addsuffix .lint,$(sort $(filter-out $(B)/%,$(filter %.c,$(SRCS)))))

lint: $(LINTS)
$(LINTS): %.lint: % $(GENHEADERS)
	$(call say,LINT,$*)clang-tidy --quiet --warnings-as-errors='*' $* -- -std=gnu11 -Wno-gnu $(CPPFLAGS) 2>&1 | \
	    { ! grep -v -e ' warnings\? generated' -e '^Suppressed'; } && \
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --suppressions-list=tools/cppcheck.txt \
	    --enable=warning,performance,portability $(CPPFLAGS) $*

.PHONY: help deps demo install clean distclean lint $(LINTS)
