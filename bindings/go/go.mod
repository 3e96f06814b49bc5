module warpengine.dev/go/warp

go 1.19
