#!/bin/sh
# Makes the site of docs/ in target/site. Which pages it has, and in which order, is what docs/README.md links to.
set -eu
cd "$(dirname "$0")/.."
book=target/book
rm -rf "$book" target/site
mkdir -p target
cp -R docs "$book"

# Each link of a page to another page, as an item of the list.
links() { # FILE FOLDER INDENT
    grep -o '\[[^]]*\]([^)#:]*\.md)' "$1" | sed "s|^\(.*\](\)|$3- \1$2|"
}
{
    echo '# Summary'
    echo
    echo '[Documents](README.md)'
    { tr '\n' ' ' <docs/README.md; echo; } | sed 's/   */ /g; s/ ## /\n## /g' | while read -r part; do
        case $part in '## '*) ;; *) continue ;; esac
        printf '\n# %s\n\n' "$(echo "$part" | sed 's/^## //; s/  *- .*//')"
        echo "$part" >"$book/part"
        links "$book/part" '' '' | while read -r item; do
            echo "$item"
            case $item in *reference/verbs.md*) links docs/reference/verbs.md reference/ '    ' | grep -v '\.\./\|documents\.md' ;; esac
        done
    done
} >"$book/SUMMARY.md"
rm "$book/part"
(cd docs && find . -name '*.md') | while read -r page; do
    grep -qF "(${page#./})" "$book/SUMMARY.md" || { echo "docs/${page#./} is not linked from docs/README.md" >&2; exit 1; }
done
mdbook build
