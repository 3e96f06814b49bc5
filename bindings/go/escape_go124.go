//go:build go1.24

package warp

// From Go 1.24 on, cgo can be told that a function neither keeps its pointers nor calls back into
// Go. Then keys and buffers on the caller's stack stay there. Older releases refuse the directives,
// so they live in this file; the whole package is subject to them.

// #include "shim.h"
// #cgo noescape go_warp_put
// #cgo nocallback go_warp_put
// #cgo noescape go_warp_get
// #cgo nocallback go_warp_get
// #cgo noescape go_warp_get_nowait
// #cgo nocallback go_warp_get_nowait
// #cgo noescape go_warp_exists
// #cgo nocallback go_warp_exists
// #cgo noescape go_warp_delete
// #cgo nocallback go_warp_delete
// #cgo noescape go_warp_compare_and_swap
// #cgo nocallback go_warp_compare_and_swap
// #cgo noescape go_warp_get_pinned
// #cgo nocallback go_warp_get_pinned
// #cgo noescape go_warp_value_release
// #cgo nocallback go_warp_value_release
// #cgo noescape go_warp_multi_get
// #cgo nocallback go_warp_multi_get
// #cgo noescape go_warp_write_encoded
// #cgo nocallback go_warp_write_encoded
// #cgo noescape go_warp_iter_new
// #cgo nocallback go_warp_iter_new
// #cgo noescape go_warp_iter_next_page
// #cgo nocallback go_warp_iter_next_page
// #cgo noescape go_warp_put_hinted
// #cgo nocallback go_warp_put_hinted
// #cgo noescape go_warp_exists_nowait
// #cgo nocallback go_warp_exists_nowait
// #cgo noescape go_warp_get_pinned_nowait
// #cgo nocallback go_warp_get_pinned_nowait
// #cgo noescape go_warp_linked_free
// #cgo nocallback go_warp_linked_free
// #cgo noescape go_warp_get_if_changed
// #cgo nocallback go_warp_get_if_changed
// #cgo noescape go_warp_partners
// #cgo nocallback go_warp_partners
// #cgo noescape go_warp_get_linked
// #cgo nocallback go_warp_get_linked
// #cgo noescape go_warp_shard_of
// #cgo nocallback go_warp_shard_of
// #cgo noescape go_warp_link
// #cgo nocallback go_warp_link
// #cgo noescape go_warp_unlink
// #cgo nocallback go_warp_unlink
// #cgo noescape go_warp_add_rule
// #cgo nocallback go_warp_add_rule
// #cgo noescape go_warp_remove_rule
// #cgo nocallback go_warp_remove_rule
// #cgo noescape go_warp_write_would_wait
// #cgo nocallback go_warp_write_would_wait
import "C"
