#!/bin/sh
# Checks the bundle in the current folder with POSIX tools and sha256sum (or shasum) alone, and changes nothing.
#
#     sh verify.sh               everything that can be checked from inside
#     sh verify.sh SEQ:HASH      also against a head of the ledger that you know from elsewhere
#
# Ends with 0 when every step passed. A bundle can bring its own false script: read this one, or use a copy that you
# got by another road. What the steps rest on is explained in README.txt.
set -u
LC_ALL=C
export LC_ALL
unset CDPATH

[ -e bagit.txt ] || [ -L bagit.txt ] || { echo "Run it inside the unpacked folder, where bagit.txt is." >&2; exit 2; }
if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum
elif command -v shasum >/dev/null 2>&1; then sum='shasum -a 256'
else echo "It needs sha256sum or shasum." >&2; exit 2; fi
for tool in awk cat cut diff find grep head mkdir paste rm sed sort tail uniq; do
    command -v "$tool" >/dev/null 2>&1 || { echo "It needs $tool." >&2; exit 2; }
done

if [ $# -gt 0 ] && ! echo "$1" | grep -q '^[1-9][0-9]\{0,7\}:[0-9a-f]\{8,64\}$'; then
    echo "A head is written as SEQ:HASH, the hash in lower case and at least eight digits of it." >&2; exit 2
fi

work=${TMPDIR:-/tmp}/kubedossier-verify.$$
(umask 077 && mkdir "$work") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
mkdir "$work/lines"

failed=0
# what a terminal could take for a command becomes a question mark
shown() { sed 's/[^ -~]/?/g'; }
ok() { printf 'ok     %s\n' "$1"; }
bad() { printf 'FAILED %s\n' "$1"; [ $# -lt 2 ] || printf '%s\n' "$2" | head -n 20 | shown | sed 's/^/         /'; failed=$((failed + 1)); }
# passes when the second argument, which tells what is wrong, is empty
judge() { if [ -z "$2" ]; then ok "$1"; else bad "$1" "$2"; fi; }
info() { sed -n "s/^$1: //p" bag-info.txt | head -n 1 | shown; }

# line_sums FILE END [REFLOWED]: the SHA-256 of each line, in order; END is what is hashed after each line ("" or LF).
# REFLOWED tells where line breaks stood that are blanks in FILE; they are put back first. Perl is for speed alone.
line_sums() { if perl -MDigest::SHA -e 1 2>/dev/null; then sums_by_perl "$@"; else sums_by_awk "$@"; fi; }
sums_by_perl() {
    perl -MDigest::SHA=sha256_hex -we '
        my ($file, $end, $marks) = @ARGV;
        open(my $lines, "<:raw", $file) or die "$file: $!";
        open(my $list, "<:raw", $marks || "/dev/null") or die "$marks: $!";
        my @mark = split " ", <$list> // "";
        for (my $number = 1; defined(my $text = <$lines>); $number++) {
            chomp $text;
            if (@mark && $mark[0] == $number) {
                substr($text, substr($_, 1) - 1, 1) = /^r/ ? "\r" : "\n" for split /,/, $mark[2];
                @mark = split " ", <$list> // "";
            }
            print sha256_hex($end eq "LF" ? "$text\n" : $text), "\n";
        }
    ' "$1" "$2" "${3:-}"
}
sums_by_awk() {
    awk -v folder="$work/lines" -v run="cd '$work/lines' && $sum * && rm -f *" -v last="$2" -v marks="${3:-/dev/null}" '
        function flush_lines() { if (count > 0 && system(run) != 0) exit 1; count = 0 }
        function restored(text, list,    number, part, i, at, from, out) {
            number = split(list, part, ","); from = 1; out = ""
            for (i = 1; i <= number; i++) {
                at = substr(part[i], 2) + 0
                out = out substr(text, from, at - from) (substr(part[i], 1, 1) == "r" ? "\r" : "\n")
                from = at + 1
            }
            return out substr(text, from)
        }
        BEGIN { more = (getline mark < marks) > 0; if (more) split(mark, next_mark, " "); ORS = last == "LF" ? "\n" : "" }
        {
            text = $0
            if (more && next_mark[1] == NR) {
                text = restored(text, next_mark[3])
                more = (getline mark < marks) > 0; if (more) split(mark, next_mark, " ")
            }
            name = folder "/" (1000 + count)
            print text > name; close(name)
            if (++count == 1000) flush_lines()
        }
        END { flush_lines() }
    ' "$1" | cut -c1-64
}

# A link would lead out of this folder, and whoever opens a pipe waits for ever: where there is one, nothing is opened.
odd=$(find . ! -type d ! -type f)
if [ -n "$odd" ]; then
    bad "1  all here are plain files" "$odd"
    echo "Stopped: none of them was opened, and nothing else was checked." >&2; exit 1
fi

month=$(info Kubedossier-Month)
head=$(info Kubedossier-Head)
archive=$(info Kubedossier-Archive)
echo "Bundle $(info External-Identifier): $(info External-Description)"

# 1. Nothing is missing, nothing was added: the manifests name exactly the files that are here.
listed() { cut -c67- manifest-sha256.txt tagmanifest-sha256.txt; echo tagmanifest-sha256.txt; }
judge "1  the files are those that the manifests name" \
    "$({ listed; find . ! -type d | sed 's|^\./||'; } | sort | uniq -u; listed | sort | uniq -d; listed | grep -v '^[A-Za-z0-9._/-]*$')"

# 2. Every file has its SHA-256.
judge "2  every file has its SHA-256" \
    "$({ $sum -c tagmanifest-sha256.txt; $sum -c manifest-sha256.txt; } 2>&1 | grep -v ': OK$')"

# 3. The ledger is an unbroken chain: each entry holds the SHA-256 of the line before, the first one zeros.
line_sums data/ledger.jsonl LF > "$work/sums"
entries=$(grep -c . < "$work/sums")
sed 's/.*"prev":"\([0-9a-f]*\)".*/\1/' data/ledger.jsonl > "$work/prevs"
sed 's/.*"seq":\([0-9]*\).*/\1/' data/ledger.jsonl > "$work/seqs"
{ echo 0000000000000000000000000000000000000000000000000000000000000000; sed '$d' "$work/sums"; } > "$work/expected"
judge "3  the ledger's $entries entries are an unbroken chain" "$(
    paste -d ' ' "$work/expected" "$work/prevs" | awk '$1 != $2 { print "entry " NR " follows another entry: expected " $1 ", found " $2 }'
    awk '$1 != NR { print "entry " NR " says it is number " $1 }' "$work/seqs"
)"

# 4. The head is the one the bundle names, and its id follows from archive, month and head.
id=$(printf '%s %s %s\n' "$archive" "$month" "$head" | $sum | cut -c1-32)
judge "4  its last entry is the head $head, and the bundle's id follows from it" "$(
    [ "$head" = "$entries:$(tail -n 1 "$work/sums")" ] || echo "the last entry is $entries:$(tail -n 1 "$work/sums")"
    [ "$id" = "$(info External-Identifier)" ] || echo "the id should be $id"
    case $(head -n 1 data/ledger.jsonl) in *"\"archive_id\":\"$archive\""*) ;; *) echo "the ledger is of another archive" ;; esac
)"

# 5. The head you know from elsewhere.
if [ $# -gt 0 ]; then
    known=${1%%:*}:$(sed -n "${1%%:*}p" "$work/sums")
    case $known in
        "$1"*) ok "5  entry ${1%%:*} is the one you know" ;;
        *) bad "5  entry ${1%%:*} is not the one you know" "expected $1, found $known" ;;
    esac
else
    echo "not done 5  no head from elsewhere was given: sh verify.sh SEQ:HASH, as printed in a report"
fi

# What the ledger says about this month: its live Parquet files and rejects, and the digest of each snapshot's events.
awk -v month="$month" '
    function text_at(regex, skip) { return match($0, regex) ? substr($0, RSTART + skip, RLENGTH - skip - 1) : "" }
    {
        id = text_at("\"id\":\"[^\"]*\"", 6)
        gone = text_at("\"retracts\":\"[^\"]*\"", 12)
        if (gone != "") retracted[gone] = 1
        if (match($0, /"remove":\[[^]]*\]/)) {
            number = split(substr($0, RSTART, RLENGTH), part, "\"")
            for (i = 1; i <= number; i++) delete sum[part[i]]
        }
        rest = $0
        while (match(rest, /"path":"[^"]*","role":"[^"]*","rows":[0-9]*,"schema":[0-9]*,"sha256":"[0-9a-f]*"/)) {
            split(substr(rest, RSTART, RLENGTH), part, "\"")
            rest = substr(rest, RSTART + RLENGTH)
            sum[part[4]] = part[16]; owner[part[4]] = id
        }
        if (match($0, /"added":[{]("[^"]*":[{]"digest":"[0-9a-f]*","n":[0-9]*[}],?)*[}]/)) {
            number = split(substr($0, RSTART + 9, RLENGTH - 10), part, "\"")
            for (i = 2; i + 4 <= number; i += 8) if (part[i] == month) digest[id] = part[i + 4]
        }
    }
    END {
        for (path in sum) if (!(owner[path] in retracted)) {
            name = path
            if (sub("^events/month=" month "/", "data/events/" month "/", name)) print "events", sum[path], name
            else if (sub("^rejects/", "data/rejects/", name)) {
                print "rejects", sum[path], name
                if (owner[path] in digest) print "needed", sum[path], name
            }
        }
        for (id in digest) if (!(id in retracted)) print "leaves", digest[id], "data/leaves/" id ".txt"
    }
' data/ledger.jsonl > "$work/facts"
facts() { sed -n "s/^$1 //p" "$work/facts" | sort; }
# sums_below FOLDER [FIND ARGUMENTS]: SHA-256 and name of the files in it
sums_below() { [ ! -d "$1" ] || find "$@" -type f -exec $sum {} + | sed 's/^\(.\{64\}\)../\1 /' | sort; }

# differ EXPECTED FOUND: tells how two lists differ, and never nothing when they do. Whether they do is what diff ends
# with: how it writes them is not the same everywhere (BusyBox and toybox know the unified form alone).
differ() {
    diff "$1" "$2" > "$work/diff" && return
    told=$(sed -n '/^---/d; /^+++/d; s/^[<-] \{0,1\}/missing /p; s/^[>+] \{0,1\}/foreign /p' "$work/diff")
    printf '%s\n' "${told:-the lists could not be compared}"
}

# 6. The Parquet files are those of the ledger, with its SHA-256 sums. So are the rejects, and those are here that came
# with events of this month; others may be here, since their snapshots looked for events of this month.
facts events > "$work/expected"
sums_below data/events > "$work/found"
facts rejects > "$work/rejects"
sums_below data/rejects > "$work/rejects.found"
# without LIST: the lines of the input that are not in it (grep -f takes an empty list differently here and there)
without() { { sort -u; cat "$1" "$1"; } | sort | uniq -u; }
judge "6  its $(grep -c . < "$work/found") Parquet files are those of the ledger" "$(
    differ "$work/expected" "$work/found"
    facts needed | without "$work/rejects.found" | sed 's/^/missing /'
    without "$work/rejects" < "$work/rejects.found" | sed 's/^/foreign /'
)"

# 7. The leaves of each snapshot have the digest that the ledger recorded when the snapshot was taken.
facts leaves > "$work/expected"
sums_below data/leaves ! -name reflowed.txt > "$work/found"
judge "7  the leaves of $(grep -c . < "$work/found") snapshots have the digests of the ledger" "$(differ "$work/expected" "$work/found")"

# 8. The events have these leaves: each line of events.ndjson is hashed.
marks=/dev/null
[ ! -f data/leaves/reflowed.txt ] || marks=data/leaves/reflowed.txt
line_sums data/events.ndjson "" "$marks" | sort > "$work/found"
find data/leaves -type f ! -name reflowed.txt -exec cat {} + 2>/dev/null | sort > "$work/expected"
events=$(grep -c . < "$work/found")
judge "8  the $events events in events.ndjson have these leaves" "$(
    differ "$work/expected" "$work/found"
    [ "$events" = "$(info Kubedossier-Events)" ] || echo "bag-info.txt says $(info Kubedossier-Events) events"
)"

if [ "$failed" -eq 0 ]; then echo "All steps passed."; else echo "$failed steps FAILED." >&2; exit 1; fi
