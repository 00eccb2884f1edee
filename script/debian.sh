# debian.sh - packages of Debian, also of other releases, unpacked into a folder and never installed.
#
# Sourced by other scripts. Signatures are checked as for this machine's own packages.

# The mirror that this machine already uses for its main archive.
debian_mirror() {
    apt-get indextargets --format '$(SITE) $(RELEASE) $(CREATED_BY)' 'Created-By: Packages' 2>/dev/null |
        awk '$2 ~ /^(bookworm|stable|oldstable|trixie)$/ && !site {site = $1} END {print site}'
}

# apt with one source, in folder HERE, and nothing of the machine's state.
apt_apart() {
    local here=$1
    shift
    apt-get -qq -o "Dir::Etc=$here" -o "Dir::Etc::sourcelist=$here/sources.list" \
        -o "Dir::Etc::sourceparts=$here/none" -o "Dir::State=$here/state" \
        -o "Dir::State::status=$here/status" -o "Dir::Cache=$here/cache" \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o APT::Sandbox::User= "$@"
}

# debian_unpack RELEASE FOLDER PACKAGE.. - 1 where there is no mirror, 2 where the mirror has no such
# release, 3 where it has no such package. FOLDER must be there; it gets usr/ and so on.
debian_unpack() {
    local release=$1 folder=$2 mirror work deb status=0
    shift 2
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || return 1
    work=$(mktemp -d)
    mkdir -p "$work"/{none,apt.conf.d,preferences.d} "$work/state/lists/partial" "$work/cache/archives/partial" "$work/debs"
    : >"$work/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$work/sources.list"
    apt_apart "$work" update || status=2
    [ $status != 0 ] || (cd "$work/debs" && apt_apart "$work" download "$@") || status=3
    for deb in "$work"/debs/*.deb; do
        [ $status != 0 ] || dpkg-deb -x "$deb" "$folder"
    done
    rm -rf "$work"
    return $status
}
