[
  inputs: ["{mix,.formatter}.exs", "{config,lib,test,bench}/**/*.{ex,exs}"],
  locals_without_parens: [
    defproduct: 2,
    defsum: 2,
    field: 1,
    field: 2,
    variant: :*,
    fold: 2,
    fold: 3,
    bend: 2
  ],
  export: [
    locals_without_parens: [
      defproduct: 2,
      defsum: 2,
      field: 1,
      field: 2,
      variant: :*,
      fold: 2,
      fold: 3,
      bend: 2
    ]
  ]
]
