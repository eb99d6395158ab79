# SPDX-License-Identifier: BSD-2-Clause
#
# The targets that people call, but for `all` (included by the top Makefile).

help:
	@echo 'make              everything, into build/'
	@echo 'make deps         install the Debian packages that are needed'
	@echo 'make check        build and run all tests'
	@echo 'make check-trixie build, and run the tests of the preload library on Debian 13; root and debootstrap'
	@echo 'make bench        measure; table, and $(B)/bench: results.json, pictures (*.svg)'
	@echo 'make bench-compare FILE=RESULTS.json   the figures of another system beside those'
	@echo 'make soak         a million forks, 50,000 connections; hours'
	@echo 'make demo         install what is needed, build, show it working'
	@echo 'make musl         librumphijack.so for programs of musl, in build/musl; clients of servers only'
	@echo 'make install      DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)'
	@echo 'make install-headers   what kernel modules are built with, into $(DESTDIR)$(PREFIX)/src/rump-headers'
	@echo 'make deb          Debian packages, in $(O)/deb; builds the kernel once more'
	@echo 'make lint         clang-tidy and cppcheck'
	@echo 'make format [SINCE=HEAD]   clang-format for the lines that were changed since'
	@echo 'make clean        remove what was built (the unpacked kernel source stays)'
	@echo 'make distclean    remove build/'
	@echo 'KDEBUG=1          a kernel that checks itself, in build/kdebug'
	@echo 'SANITIZE=address,undefined   or thread: user-space parts, in a directory of their own'
	@echo 'V=1               show the commands'

# What a program of musl needs; the kernel is a server's.
musl: | $(GENHEADERS)
	+@$(MAKE) LIBC=musl $(addprefix $(O)/musl/,rumpclient/librumpclient.so hijack/librumphijack.so \
	    lib/librumpclient.so.$(ABI) lib/librumphijack.so)

deps:
	tools/deps.sh

demo:
	tools/demo.sh

bindir	= $(DESTDIR)$(PREFIX)/bin
libdir	= $(DESTDIR)$(LIBDIR)
incdir	= $(DESTDIR)$(PREFIX)/include/rump
mandir	= $(DESTDIR)$(PREFIX)/share/man
compdir	= $(DESTDIR)$(PREFIX)/share/bash-completion/completions
docdir	= $(DESTDIR)$(PREFIX)/share/doc/rump
pcdir	= $(DESTDIR)$(LIBDIR)/pkgconfig
# From where gdb loads what belongs to a library, if the system's prefix is ours.
gdbdir	= $(DESTDIR)$(PREFIX)/share/gdb/auto-load$(LIBDIR)

# $(call pkgconfig,NAME,WHAT,LIBS)
pkgconfig = printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' 'libdir=$(LIBDIR)' '' \
	'Name: $1' 'Description: $2' 'Version: $(VERSION)' 'Cflags: -I$${includedir}' \
	'Libs: -L$${libdir} $3' >$(pcdir)/$1.pc

# A page goes to the section that its name ends in.  Where LIBDIR is not PREFIX/lib, it is one that
# the host's dynamic linker knows.
install: all
	install -d $(bindir) $(libdir) $(incdir) $(docdir) $(pcdir)
	install -m 755 $(addprefix $(B)/,$(BIN) $(SBIN)) $(bindir)
	$(foreach l,$(LIBRARIES),install -m 644 $(B)/$l $(libdir)/$(call soname,$l) && \
		ln -sfn $(call soname,$l) $(libdir)/$(notdir $l) &&) :
	install -m 644 $(addprefix $(B)/,$(PRELOADS)) $(libdir)
	install -m 644 $(HEADERS) $(filter $(B)/include/rump/%,$(GENHEADERS)) $(incdir)
	install -D -m 644 tools/rump.bash $(compdir)/rump
	install -D -m 644 tools/gdb/rump.py $(gdbdir)/$(call soname,librump.so)-gdb.py
	install -m 644 README.md LICENSE $(docdir)
	install -m 644 kernel/LICENSE $(docdir)/LICENSE.kernel
	$(call pkgconfig,rump,a Linux kernel as a library,-lrump -lrumpuser)
	$(call pkgconfig,rumpclient,system calls of a rump kernel in this process or in a server,-lrumpclient)
	$(call pkgconfig,ukfs,files in file system images,-lukfs -lrump -lrumpuser)
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

# ---- Debian packages -----------------------------------------------------------------

# From a copy of what belongs to the tree, in a directory of its own: so the build sees no other, and
# what is made here does not depend on what was made before.  The maintainer's address is for whoever
# distributes them to fill in.
DEBDIR	= $(O)/deb
DEBSRC	= $(DEBDIR)/rump-$(VERSION)

deb:
	tools/deps.sh build deb
	rm -rf $(DEBDIR)
	mkdir -p $(DEBSRC)
	git ls-files -co --exclude-standard -z | xargs -0 cp --parents -Pt $(DEBSRC)
	cd $(DEBSRC) && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc $(DEBFLAGS)
	cd $(DEBDIR) && lintian --fail-on error,warning --tag-display-limit 0 \
		--suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog *.changes

# What dpkg-gensymbols wants to know of a library; after functions were added.
symbols: all
	tools/symbols.sh $(B)

# ---- style ------------------------------------------------------------------------------

# The lines that differ from SINCE, as .clang-format has it: what was aligned by hand elsewhere stays.
SINCE	= HEAD

format:
	git clang-format --extensions c,h $(SINCE)

.PHONY: format
.PHONY: deb symbols help musl deps demo install clean distclean lint $(LINTS)
