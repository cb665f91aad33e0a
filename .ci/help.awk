# Lists the targets of a Makefile: `##@ Heading` begins a group, `target: ... ## text` describes one.
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z-]+:.*## / {
    target = $0; sub(/:.*/, "", target)
    text = $0; sub(/.*## /, "", text)
    printf "  make %-16s %s\n", target, text
}
